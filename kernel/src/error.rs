//! The error type of the kernel: `Copy`, without strings. Every variant carries the numbers that disagree.

use core::fmt;

/// A mistake of the caller, or a refusal of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// Two operands sit at different levels; align the operands with `drop_to_level`.
    LevelMismatch {
        /// Level of the left operand.
        left: u8,
        /// Level of the right operand.
        right: u8,
    },
    /// Two rings do not share the scale of their lowest level.
    ScaleMismatch {
        /// Scale of the one.
        left: f64,
        /// Scale of the other.
        right: f64,
    },
    /// The operation needs more levels than the operand has left.
    LevelExhausted {
        /// Levels (or the level) that the operation needs.
        need: u8,
        /// Levels left.
        have: u8,
    },
    /// No Galois key for this automorphism.
    MissingGaloisKey {
        /// Galois element g of X -> X^g.
        galois: u32,
    },
    /// No Galois key for this rotation.
    MissingRotationKey {
        /// Slots to the left.
        step: i32,
        /// Its Galois element.
        galois: u32,
    },
    /// No relinearisation key.
    MissingRelinKey,
    /// The key was made for lower levels.
    KeyLevel {
        /// The highest level that the key serves.
        key: u8,
        /// The level of the operand.
        operand: u8,
    },
    /// A rotation that was not hoisted, or a diagonal that was not encoded for a linear map.
    NotHoisted {
        /// The requested rotation.
        step: i32,
    },
    /// No approximation is known on this range.
    BadRange {
        /// Its lower end.
        lo: f64,
        /// Its upper end.
        hi: f64,
    },
    /// A power is odd, zero, or above the largest that is supported.
    BadPower {
        /// The requested power.
        power: u32,
        /// The largest that is supported.
        most: u32,
    },
    /// No approximation within reach is this accurate.
    Inaccurate {
        /// The largest error allowed.
        wanted: f64,
        /// The smallest error reached.
        reached: f64,
    },
    /// A buffer or memory pool is too small.
    OutOfMemory {
        /// The requested number of words.
        words: usize,
    },
    /// A device has less memory than is needed.
    DeviceMemory {
        /// Words needed.
        words: usize,
        /// Words that the device gives.
        room: usize,
    },
    /// The length of a slice differs from the shape of the buffer.
    Length {
        /// Elements expected.
        expected: usize,
        /// Elements given.
        actual: usize,
    },
    /// A list or an iterator without items, where at least one is needed.
    Empty {
        /// The expected content.
        what: &'static str,
    },
    /// Two sizes do not fit each other.
    BadShape {
        /// The condition that does not hold.
        what: &'static str,
        /// The first size that the condition names.
        left: usize,
        /// The second size that the condition names.
        right: usize,
    },
    /// The parameters or the model lack something that the operation needs.
    Unsupported {
        /// The unsupported case.
        what: &'static str,
    },
    /// A word of a ciphertext or a key is not a residue.
    BadWord {
        /// The word.
        word: u32,
        /// The modulus that the word must be below.
        modulus: u32,
    },
    /// More slots than the ring has, or a number that does not divide the slots of the ring.
    Slots {
        /// Slots given.
        given: usize,
        /// Slots of the ring.
        slots: usize,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Slot of the first such value.
        slot: usize,
    },
    /// A value times its scale does not fit the modulus.
    TooLarge {
        /// log2 of the largest coefficient.
        bits: f64,
        /// log2 of the largest coefficient that fits.
        limit: f64,
    },
    /// log2(QP) is over the bound of the ring degree at the requested security.
    Insecure {
        /// log2(QP) of the parameters.
        log_qp: f64,
        /// The largest log2(QP) allowed.
        bound: f64,
    },
    /// No security bound is tabulated for this ring degree.
    NoBound {
        /// log2 of the ring degree.
        log_n: u8,
    },
    /// No security bound is tabulated for a sparse secret of this weight.
    NoSparseBound {
        /// Coefficients of the secret that are not zero.
        weight: u32,
        /// log2 of the ring degree.
        log_n: u8,
        /// The security level, in bits.
        bits: u16,
    },
    /// A key would put a large ring's secret under the secret of a small ring that is worth less.
    WeakRing {
        /// The security level of the small ring, in bits.
        small: u16,
        /// The security level of the large ring, in bits.
        large: u16,
    },
    /// A modulus is not a prime below 2^30 that is 1 modulo 2n, or a modulus appears twice.
    BadModulus {
        /// The modulus.
        modulus: u32,
        /// Twice the ring degree.
        two_n: u32,
    },
    /// More moduli, levels, digits or primes a digit than the library is built for.
    TooMany {
        /// The requested number.
        asked: usize,
        /// The most that are supported.
        limit: usize,
    },
    /// A level's primes are no span of the modulus chain, or the levels do not descend.
    BadLevel {
        /// The level.
        level: u8,
    },
    /// A part of bootstrapping has too few or too many levels.
    Reserved {
        /// The part.
        part: &'static str,
        /// Levels given.
        given: u8,
        /// The fewest levels that are possible.
        least: u8,
        /// The most levels that are possible.
        most: u8,
    },
    /// Bootstrapping takes one iteration or two.
    BadIterations {
        /// The requested number.
        asked: u8,
    },
    /// The evaluator has no bootstrapping keys.
    NoBootstrap,
    /// The source of randomness failed or repeats itself.
    NoEntropy,
    /// The device went away; nothing recorded since the last `submit` ran.
    DeviceLost,
}

/// Result with the kernel error.
pub type Result<T> = core::result::Result<T, Error>;

/// Checks that two operands sit at the same level.
///
/// # Errors
/// [`Error::LevelMismatch`] with both levels.
pub fn same_level(left: u8, right: u8) -> Result<()> {
    if left == right { Ok(()) } else { Err(Error::LevelMismatch { left, right }) }
}

/// Checks that a slice has as many elements as expected.
///
/// # Errors
/// [`Error::Length`] with both numbers.
pub fn same_length(expected: usize, actual: usize) -> Result<()> {
    if expected == actual { Ok(()) } else { Err(Error::Length { expected, actual }) }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::LevelMismatch { left, right } => write!(f, "operands at levels {left} and {right}"),
            Error::ScaleMismatch { left, right } => write!(f, "rings of scales {left} and {right}"),
            Error::LevelExhausted { need, have } => write!(f, "level {need} needed, {have} left"),
            Error::MissingGaloisKey { galois } => write!(f, "no key for the automorphism X -> X^{galois}"),
            Error::KeyLevel { key, operand } => {
                write!(f, "a key for levels up to {key}, an operand at level {operand}")
            }
            Error::MissingRotationKey { step, galois } => {
                write!(f, "no key for the rotation by {step} slots, X -> X^{galois}")
            }
            Error::MissingRelinKey => write!(f, "no relinearisation key"),
            Error::NotHoisted { step } => write!(f, "the rotation by {step} was not hoisted"),
            Error::BadRange { lo, hi } => write!(f, "no approximation is known on [{lo}, {hi}]"),
            Error::BadPower { power, most } => {
                write!(f, "power {power}, even powers from 2 to {most} are supported")
            }
            Error::Inaccurate { wanted, reached } => write!(f, "error {wanted:e} wanted, {reached:e} reached"),
            Error::OutOfMemory { words } => write!(f, "no room for {words} words"),
            Error::DeviceMemory { words, room } => {
                let gib = |words: usize| words as f64 / (1 << 28) as f64;
                write!(f, "{:.2} GiB of device memory needed, {:.2} GiB there", gib(words), gib(room))
            }
            Error::Length { expected, actual } => write!(f, "{expected} elements expected, {actual} given"),
            Error::Empty { what } => write!(f, "no {what}: at least one is needed"),
            Error::BadShape { what, left, right } => write!(f, "{what}: {left} and {right} given"),
            Error::Unsupported { what } => write!(f, "not supported: {what}"),
            Error::BadWord { word, modulus } => write!(f, "the word {word} is not below the modulus {modulus}"),
            Error::Slots { given, slots } => write!(f, "{given} values do not divide {slots} slots"),
            Error::NotFinite { slot } => write!(f, "the value in slot {slot} is not finite"),
            Error::TooLarge { bits, limit } => {
                write!(f, "a coefficient of {bits:.1} bits where at most {limit:.1} fit")
            }
            Error::Insecure { log_qp, bound } => {
                write!(f, "log2(QP) is {log_qp:.1}, over the security bound of {bound:.1}")
            }
            Error::NoBound { log_n } => write!(f, "no security bound is known for ring degree 2^{log_n}"),
            Error::NoSparseBound { weight, log_n, bits } => write!(
                f,
                "no {bits}-bit bound is known for a sparse secret of weight {weight} at ring degree 2^{log_n}: \
                 bootstrapping needs 2^16 and 128 bits"
            ),
            Error::WeakRing { small, large } => {
                write!(f, "a key under a secret of {small} bits would hold a secret of {large} bits")
            }
            Error::BadModulus { modulus, two_n } => {
                write!(f, "{modulus} is not a fresh prime below 2^30 that is 1 modulo {two_n}")
            }
            Error::TooMany { asked, limit } => write!(f, "{asked} asked for, at most {limit} supported"),
            Error::BadLevel { level } => write!(
                f,
                "level {level}: its primes are no span of the modulus chain that contains those of the level below"
            ),
            Error::Reserved { part, given, least, most } if least == most => {
                write!(f, "bootstrapping with {given} levels of {part}: the part takes {most}")
            }
            Error::Reserved { part, given, least, most } => {
                write!(f, "bootstrapping with {given} levels of {part}: from {least} to {most} are possible")
            }
            Error::BadIterations { asked } => write!(f, "bootstrapping in {asked} iterations: it takes 1 or 2"),
            Error::NoBootstrap => write!(f, "no bootstrapping keys"),
            Error::NoEntropy => write!(f, "the source of randomness failed or repeats itself"),
            Error::DeviceLost => write!(f, "the device went away"),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::{Error, same_length, same_level};
    use std::string::ToString;

    #[test]
    fn messages_name_what_disagrees() {
        let shape = Error::BadShape { what: "heads must divide the width", left: 3, right: 128 };
        for (error, message) in [
            (Error::Empty { what: "layers" }, "no layers: at least one is needed"),
            (shape, "heads must divide the width: 3 and 128 given"),
            (Error::Unsupported { what: "rotation by half a slot" }, "not supported: rotation by half a slot"),
            (Error::BadWord { word: 9, modulus: 7 }, "the word 9 is not below the modulus 7"),
            (
                Error::Reserved { part: "EvalMod", given: 0, least: 8, most: 8 },
                "bootstrapping with 0 levels of EvalMod: the part takes 8",
            ),
            (Error::BadPower { power: 3, most: 16 }, "power 3, even powers from 2 to 16 are supported"),
            (same_level(1, 2).unwrap_err(), "operands at levels 1 and 2"),
            (same_length(1, 2).unwrap_err(), "1 elements expected, 2 given"),
        ] {
            assert_eq!(error.to_string(), message);
        }
    }
}
