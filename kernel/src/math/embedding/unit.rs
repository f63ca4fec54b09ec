//! Points of the unit circle by integer arithmetic, with the same bits on every platform. Where doubles are software, a
//! point takes a tenth of the time of libm. Numbers in this file are multiples of 2^-63.

use crate::math::complex::Complex;

/// pi 2^62
const PI: u64 = 0xc90f_daa2_2168_c235;

/// Terms of the series. The omitted terms are below 2^-67 on the octant.
const TERMS: usize = 10;
const COS: [u64; TERMS] = inverse_factorials(0);
const SIN: [u64; TERMS] = inverse_factorials(1);

/// 1/(2k + first)!
const fn inverse_factorials(first: u64) -> [u64; TERMS] {
    let (mut out, mut factorial) = ([1 << 63; TERMS], 1);
    let mut k = 1;
    while k < TERMS {
        let last = 2 * k as u64 + first;
        factorial *= last * (last - 1);
        out[k] = ((1 << 63) + factorial / 2) / factorial;
        k += 1;
    }
    out
}

/// exp(2 pi i `turn`
/// 2^64). Each part is within 2^-53.
pub fn unit(turn: u64) -> Complex {
    let quadrant = turn.wrapping_add(1 << 61) >> 62; // the nearest one
    let rest = turn.wrapping_sub(quadrant << 62) as i64; // [-2^61, 2^61): an eighth of a turn to either side
    let angle = high(rest.unsigned_abs() << 2, PI); // up to pi/4
    let square = high(angle << 1, angle);
    let (cos, sin) = (float(series(COS, square)), float(high(angle << 1, series(SIN, square))));
    let sin = if rest < 0 { -sin } else { sin };
    let (re, im) = match quadrant & 3 {
        0 => (cos, sin),
        1 => (-sin, cos),
        2 => (-cos, -sin),
        _ => (sin, -cos),
    };
    Complex { re, im }
}

/// c_0 - y (c_1 - y (c_2 - ...)) for y below 5/8. No difference is negative: c_(k+1) is at most c_k / 2.
fn series(c: [u64; TERMS], y: u64) -> u64 {
    c.into_iter().rev().fold(0, |sum, c| c - high(y << 1, sum))
}

/// The upper half of a product.
fn high(a: u64, b: u64) -> u64 {
    let halves = |x: u64| (x & 0xffff_ffff, x >> 32);
    let ((a0, a1), (b0, b1)) = (halves(a), halves(b));
    let (low, middle) = halves(a1 * b0 + ((a0 * b0) >> 32));
    a1 * b1 + middle + ((a0 * b1 + low) >> 32)
}

/// Rounded once.
fn float(x: u64) -> f64 {
    x as f64 / (1u64 << 63) as f64
}

#[cfg(test)]
mod tests {
    use super::{high, unit};
    use crate::math::complex::Complex;
    use core::f64::consts::TAU;

    #[test]
    fn points_are_where_libm_has_them() {
        let (mut worst, mut same) = (0.0f64, 0);
        for k in 0..1u64 << 15 {
            let (octant, angle) = (k >> 12, TAU * (k & 4095) as f64 / 32768.0);
            let (from, to) = (libm::sincos(angle), libm::sincos(TAU / 8.0 - angle)); // (sin, cos), small angles
            let (re, im) = match octant {
                0 => (from.1, from.0),
                1 => to,
                2 => (-from.0, from.1),
                3 => (-to.1, to.0),
                4 => (-from.1, -from.0),
                5 => (-to.0, -to.1),
                6 => (from.0, -from.1),
                _ => (to.1, -to.0),
            };
            let z = unit(k << 49);
            worst = worst.max((z.re - re).abs()).max((z.im - im).abs());
            same += (z == Complex { re, im }) as u32;
        }
        assert!(worst < 2f64.powi(-52) && same > 16_000, "{worst:e}, {same} the same");
    }

    #[test]
    fn turning_by_quarters_changes_no_bit() {
        for k in 0..1000u64 {
            let turn = k.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (z, next) = (unit(turn), unit(turn.wrapping_add(1 << 62)));
            assert_eq!(next, Complex { re: -z.im, im: z.re });
            let b = turn.rotate_left(29) ^ k;
            assert_eq!(high(turn, b), ((turn as u128 * b as u128) >> 64) as u64);
        }
        assert_eq!([0, 1, 2, 3].map(|q| unit(q << 62).re), [1.0, 0.0, -1.0, 0.0]);
        assert_eq!(unit(1 << 61).re, core::f64::consts::FRAC_1_SQRT_2);
    }
}
