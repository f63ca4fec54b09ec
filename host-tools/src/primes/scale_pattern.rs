//! The scale patterns: the combinations of primes of 20 to 30 bits that form the scale of a level.
//!
//! A level's scale is the product of the primes that its rescale drops over the product of the primes that the rescale
//! restores. Only some scales are therefore possible: about the size of one prime, of 4/3 primes, of 3/2 primes, or of
//! two primes.

use super::candidates::{RESCALING_PRIMES, WIDE_RESCALING_PRIMES};

/// A way to make the scale of a level out of primes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalePattern {
    /// One prime a level.
    Single,
    /// Four primes in three levels. Rescales drop and restore the two 20-bit rescaling primes alternately.
    Rational,
    /// Three primes in two levels. Rescales drop and restore two rescaling primes of 22 bits together.
    Half,
    /// Two primes a level.
    Pairs,
}

impl ScalePattern {
    /// Every pattern, smallest scale first.
    pub const ALL: [ScalePattern; 4] =
        [ScalePattern::Single, ScalePattern::Rational, ScalePattern::Half, ScalePattern::Pairs];

    /// Smallest and largest log2 of the scale.
    pub const fn range(self) -> (f64, f64) {
        match self {
            ScalePattern::Single => (23.0, 29.9),
            ScalePattern::Rational => (39.1, 39.9),
            ScalePattern::Half => (44.0, 44.8),
            ScalePattern::Pairs => (50.0, 59.9),
        }
    }

    /// The pattern whose range contains `scale_bits`.
    pub fn of(scale_bits: f64) -> Option<Self> {
        Self::ALL.into_iter().find(|w| (w.range().0..=w.range().1).contains(&scale_bits))
    }

    /// The rescaling primes at the front of the chain.
    pub const fn rescaling_primes(self) -> &'static [u32] {
        match self {
            ScalePattern::Rational => &RESCALING_PRIMES,
            ScalePattern::Half => &WIDE_RESCALING_PRIMES,
            _ => &[],
        }
    }

    /// Base primes: at least two, and enough that values of 2^7 at the scale fit below q0 / 2.
    pub fn base(self, scale_bits: f64) -> u8 {
        if scale_bits + 8.0 < 59.9 { 2 } else { 3 }
    }

    /// (rescaling primes, main primes) of message level `l` over `base` base primes.
    pub const fn level(self, l: u8, base: u8) -> (u8, u8) {
        match self {
            ScalePattern::Single => (0, base + l),
            ScalePattern::Pairs => (0, base + 2 * l),
            ScalePattern::Half => (2 * (l % 2), base + 3 * (l / 2)),
            ScalePattern::Rational => match (l / 3, l % 3) {
                (k, 0) => (0, base + 4 * k),
                (k, 1) => (2, base + 4 * k),
                (k, _) => (1, base + 4 * k + 2),
            },
        }
    }

    /// The smallest size of a main prime, in bits. The limit keeps the main primes of the cycle close together.
    pub const fn smallest_main_prime(self) -> f64 {
        match self {
            ScalePattern::Rational | ScalePattern::Half => 29.2,
            _ => 20.0,
        }
    }

    /// The ranges in words, for error messages.
    pub fn list() -> String {
        let one = |w: ScalePattern| {
            let what = match w {
                ScalePattern::Single => "one prime a level",
                ScalePattern::Rational => "four primes in three levels",
                ScalePattern::Half => "three primes in two levels",
                ScalePattern::Pairs => "a pair of primes a level",
            };
            format!("{:.1} to {:.1} ({what})", w.range().0, w.range().1)
        };
        Self::ALL.map(one).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::ScalePattern;

    #[test]
    fn the_cycle_is_the_one_of_the_parameters_page() {
        let levels: Vec<_> = (0..5).map(|l| ScalePattern::Rational.level(l, 2)).collect();
        assert_eq!(levels, [(0, 2), (2, 2), (1, 4), (0, 6), (2, 6)]);
        let levels: Vec<_> = (0..5).map(|l| ScalePattern::Half.level(l, 2)).collect();
        assert_eq!(levels, [(0, 2), (2, 2), (0, 5), (2, 5), (0, 8)]);
    }

    #[test]
    fn a_scale_is_in_the_range_of_one_pattern_or_none() {
        assert_eq!(ScalePattern::of(39.5), Some(ScalePattern::Rational));
        assert_eq!(ScalePattern::of(29.5), Some(ScalePattern::Single));
        assert_eq!(ScalePattern::of(44.5), Some(ScalePattern::Half));
        assert_eq!(ScalePattern::of(50.0), Some(ScalePattern::Pairs));
        assert!(
            [0.0, 22.9, 30.0, 35.0, 43.0, 47.0, 60.0, f64::NAN, f64::INFINITY]
                .iter()
                .all(|s| ScalePattern::of(*s).is_none())
        );
    }
}
