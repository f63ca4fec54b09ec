//! The error type of the kernel: `Copy`, without strings. Every variant carries the numbers that disagree.

use core::fmt;

/// What a caller can get wrong, or a device can refuse.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Two operands sit at different levels; align them with `drop_to_level`.
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
        /// The rotation asked for.
        step: i32,
    },
    /// No approximation is known on this range.
    BadRange {
        /// Its lower end.
        lo: f64,
        /// Its upper end.
        hi: f64,
    },
    /// PowerSoftmax takes even powers.
    BadPower {
        /// The power asked for.
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
        /// Words asked for.
        words: usize,
    },
    /// A device has less memory than is needed.
    DeviceMemory {
        /// Words needed.
        words: usize,
        /// Words that the device gives.
        room: usize,
    },
    /// A slice is not as long as the shape that it fills.
    Length {
        /// Elements expected.
        expected: usize,
        /// Elements given.
        actual: usize,
    },
    /// More slots were given than the ring has, or their number does not divide it.
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
    /// log2(QP) is over the bound of the ring degree at the security asked for.
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
    /// A modulus is not a prime below 2^30 that is 1 modulo 2n, or it appears twice.
    BadModulus {
        /// The modulus.
        modulus: u32,
        /// Twice the ring degree.
        two_n: u32,
    },
    /// More moduli, levels, digits or primes a digit than the library is built for.
    TooMany {
        /// How many were asked for.
        asked: usize,
        /// The most that are supported.
        limit: usize,
    },
    /// A level's primes are not a span of the modulus line, or the levels do not descend.
    BadLevel {
        /// The level.
        level: u8,
    },
    /// Bootstrapping takes one iteration or two.
    BadIterations {
        /// What was asked for.
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
                write!(f, "PowerSoftmax of power {power}, even powers up to {most} are supported")
            }
            Error::Inaccurate { wanted, reached } => write!(f, "error {wanted:e} wanted, {reached:e} reached"),
            Error::OutOfMemory { words } => write!(f, "no room for {words} words"),
            Error::DeviceMemory { words, room } => {
                let gib = |words: usize| words as f64 / (1 << 28) as f64;
                write!(f, "{:.2} GiB of device memory needed, {:.2} GiB there", gib(words), gib(room))
            }
            Error::Length { expected, actual } => write!(f, "{expected} elements expected, {actual} given"),
            Error::Slots { given, slots } => write!(f, "{given} values do not divide {slots} slots"),
            Error::NotFinite { slot } => write!(f, "the value in slot {slot} is not finite"),
            Error::TooLarge { bits, limit } => {
                write!(f, "a coefficient of {bits:.1} bits where at most {limit:.1} fit")
            }
            Error::Insecure { log_qp, bound } => {
                write!(f, "log2(QP) is {log_qp:.1}, over the security bound of {bound:.1}")
            }
            Error::NoBound { log_n } => write!(f, "no security bound is known for ring degree 2^{log_n}"),
            Error::BadModulus { modulus, two_n } => {
                write!(f, "{modulus} is not a fresh prime below 2^30 that is 1 modulo {two_n}")
            }
            Error::TooMany { asked, limit } => write!(f, "{asked} asked for, at most {limit} supported"),
            Error::BadLevel { level } => write!(f, "level {level} is not a span of the modulus line"),
            Error::BadIterations { asked } => write!(f, "bootstrapping in {asked} iterations: it takes 1 or 2"),
            Error::NoBootstrap => write!(f, "no bootstrapping keys"),
            Error::NoEntropy => write!(f, "the source of randomness failed or repeats itself"),
            Error::DeviceLost => write!(f, "the device went away"),
        }
    }
}

impl core::error::Error for Error {}
