//! Any doubles, any scale. Encoding fails exactly when the contract says so. An accepted vector decodes to itself
//! within the promised error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer_kernel::{
    Error,
    ckks::encode::{MAX_BITS, decode, encode},
    math::{complex::Complex, embedding::fill_roots},
};

fuzz_target!(|data: &[u8]| {
    let [log_slots, scale_bits, limit, rest @ ..] = data else { return };
    let (slots, scale_bits) = (1usize << (log_slots % 7), (*scale_bits % 64) as f64);
    let limit = (*limit % 80) as f64;
    let mut doubles = rest.chunks(8).map(|c| {
        let mut bytes = [0; 8];
        bytes[8 - c.len()..].copy_from_slice(c); // short input: a short mantissa
        f64::from_be_bytes(bytes)
    });
    let mut part = || doubles.next().unwrap_or(1.0);
    let values: Vec<Complex> = (0..slots).map(|_| Complex { re: part(), im: part() }).collect();
    let mut roots = vec![Complex::default(); slots];
    fill_roots(&mut roots);
    let (scale, mut staged, mut coeffs) = (scale_bits.exp2(), values.clone(), vec![0; 2 * slots]);
    let result = encode(&roots, &mut staged, scale, limit, &mut coeffs);

    let finite = |z: &Complex| z.re.is_finite() && z.im.is_finite();
    if let Some(slot) = values.iter().position(|z| !finite(z)) {
        assert_eq!(result, Err(Error::NotFinite { slot }));
        return;
    }
    // A coefficient is a mean of |z| times sines: at most the largest |z|.
    let largest = values.iter().map(|z| z.re.hypot(z.im)).fold(0.0, f64::max) * scale;
    let room = limit.min(MAX_BITS).exp2();
    match result {
        Err(Error::TooLarge { bits, limit }) => assert!(largest > room * 0.999 && !(bits <= limit)),
        Err(e) => panic!("{e}"),
        Ok(()) => {
            assert!(coeffs.iter().all(|c| c.unsigned_abs() as f64 <= room + 1.0));
            let mut decoded = staged;
            decode(&roots, &coeffs, scale, &mut decoded).unwrap();
            // Each coefficient is off by 1/2 and by its share of the arithmetic; a slot sums 2s of them.
            let stages = (2 * slots).ilog2() as f64 + 1.0;
            let bound = 2.0 * slots as f64 * (0.5 + 4.0 * largest * f64::EPSILON * stages) / scale;
            for (z, want) in decoded.iter().zip(&values) {
                let d = *z - *want;
                assert!(d.re.hypot(d.im) <= bound, "{z:?} for {want:?}, bound {bound:e}");
            }
        }
    }
});
