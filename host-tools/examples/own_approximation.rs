//! An approximation of one's own: a polynomial for GELU, a certificate of its error, and random inputs against the
//! certificate.
//!
//!     cargo run --release --example own_approximation
//!
//! docs/fuzzing.md shows the same with a fuzzer that looks for inputs by coverage.

use polyformer::{Result, keys::random};
use polyformer_kernel::{
    arith::Arithmetic,
    circuits::{
        approx::{Approximation, Function, Weight, interpolate},
        poly::evaluate,
    },
    eval::{clear::ClearArray, trace::Trace},
};
use rand_chacha::rand_core::Rng;

const RANGE: (f64, f64) = (-4.0, 4.0);

fn main() -> Result<()> {
    // any polynomial will do: here one that meets GELU at the Chebyshev nodes of the range
    let poly = interpolate(|x| Function::Gelu.at(x), RANGE, 15)?;

    // the certificate holds at every point of the range, the rounding of f64 included
    let certified = Approximation::certified(Function::Gelu, Weight::Absolute, poly)?;
    println!("degree {}, certified error {:.2e}", certified.poly().degree(), certified.error());
    assert!(certified.error() < 1e-2);

    // what the polynomial costs on ciphertexts
    let mut trace = Trace::new(1 << 15, None);
    let x = trace.input(20);
    let y = evaluate(&mut trace, certified.poly(), &x)?;
    println!("{} levels, {} products", 20 - trace.level(&y), trace.cost().mul);

    // the fuzz: no input in the range may break the certificate, and no input at all may give NaN
    let (mut rng, mut worst) = (random::generator()?, 0.0f64);
    for i in 0..200_000 {
        let bits = rng.next_u64();
        let inside = RANGE.0 + (RANGE.1 - RANGE.0) * (bits >> 11) as f64 / (1u64 << 53) as f64;
        let x = if i % 2 == 0 { inside } else { f64::from_bits(bits) }; // any pattern of 64 bits, infinities included
        let Ok([y]) = evaluate(&mut ClearArray::<f64, 1>::new(), certified.poly(), &[x]) else { continue };
        assert!(!y.is_nan(), "{x} gives NaN");
        if (RANGE.0..=RANGE.1).contains(&x) {
            worst = worst.max((y - Function::Gelu.at(x)).abs());
        }
    }
    println!("largest error of 100,000 random points: {worst:.2e}");
    assert!(worst <= certified.error() && worst > certified.error() / 10.0);
    Ok(())
}
