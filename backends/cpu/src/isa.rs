//! The choice of the instruction set, made once at run time.

#[cfg(target_arch = "aarch64")]
use crate::neon::Neon;
#[cfg(target_arch = "x86_64")]
use crate::{avx2::Avx2, avx512::Avx512};
use crate::{
    lanes::{Kernel, Lanes},
    portable::Portable,
};

#[derive(Clone, Copy, Debug)]
enum Proof {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Portable(Portable),
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug)]
pub struct Isa(Proof);

impl Isa {
    /// The widest one.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(proof) = Avx512::detect() {
            return Self(Proof::Avx512(proof));
        } else if let Some(proof) = Avx2::detect() {
            return Self(Proof::Avx2(proof));
        }
        #[cfg(target_arch = "aarch64")]
        if let Some(proof) = Neon::detect() {
            return Self(Proof::Neon(proof));
        }
        Self(Proof::Portable(Portable))
    }

    /// Every one, widest first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx512::detect().map(|proof| Self(Proof::Avx512(proof))));
            all.extend(Avx2::detect().map(|proof| Self(Proof::Avx2(proof))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(Neon::detect().map(|proof| Self(Proof::Neon(proof))));
        all.push(Self(Proof::Portable(Portable)));
        all
    }

    /// The available one called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// "avx512", "avx2", "neon" or "portable".
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Proof::Neon(_) => "neon",
            Proof::Portable(_) => "portable",
        }
    }

    /// Runs `kernel` compiled for this instruction set.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn run<T, K>(self, kernel: K) -> T
    where
        K: Kernel<Avx512, Output = T> + Kernel<Avx2, Output = T> + Kernel<Portable, Output = T>,
    {
        match self.0 {
            Proof::Avx512(lanes) => lanes.call(kernel),
            Proof::Avx2(lanes) => lanes.call(kernel),
            Proof::Portable(lanes) => lanes.call(kernel),
        }
    }

    /// Runs `kernel` compiled for this instruction set.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn run<T, K>(self, kernel: K) -> T
    where
        K: Kernel<Neon, Output = T> + Kernel<Portable, Output = T>,
    {
        match self.0 {
            Proof::Neon(lanes) => lanes.call(kernel),
            Proof::Portable(lanes) => lanes.call(kernel),
        }
    }

    /// Runs `kernel`.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn run<K: Kernel<Portable>>(self, kernel: K) -> K::Output {
        let Proof::Portable(lanes) = self.0;
        lanes.call(kernel)
    }
}
