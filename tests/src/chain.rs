//! Rings for tests: the preset chains at any degree.

use polyformer_kernel::{
    math::modular::Modulus,
    params::{Params, Security, Spec, presets},
    ring::{Basis, Ring, tables},
};
use polyformer_scalar::{Block, Scalar};

/// A checked parameter set and its twiddles.
#[derive(Debug)]
pub struct Chain {
    /// The parameters.
    pub params: Params,
    twiddles: Vec<u32>,
}

impl Chain {
    /// The primes of `spec` at ring degree 2^`log_n`. Every prime of the presets is 1 modulo 2^17. Below the degree of
    /// the preset the ring has no security, so the set has `Security::Toy`.
    pub fn new(spec: &Spec<'_>, log_n: u8) -> Self {
        let security = if log_n < spec.log_n { Security::Toy } else { spec.security };
        let params = Params::new(&Spec { log_n, security, ..*spec }).unwrap();
        let mut twiddles = vec![0; tables::words(params.n(), params.moduli().len())];
        tables::fill(params.n(), params.moduli(), &mut twiddles);
        Self { params, twiddles }
    }

    /// The chain for bootstrapping: 12 specials, 2 rescaling primes, 46 more primes.
    pub fn b16(log_n: u8) -> Self {
        Self::new(&presets::B16, log_n)
    }

    /// The ring.
    pub fn ring(&self) -> Ring<'_> {
        self.params.ring(&self.twiddles).unwrap()
    }

    /// The ring with one changed twiddle word, a fault that the suite must find on every backend. `index` counts
    /// through the forward twiddles and then the inverse twiddles of each modulus.
    pub fn with_bad_twiddle(mut self, index: usize) -> Self {
        self.twiddles[index] ^= 1;
        self
    }

    /// Modulus at prime index `m`.
    pub fn modulus(&self, m: usize) -> Modulus {
        self.params.moduli()[m]
    }

    /// P and every q prime.
    pub fn full(&self) -> Basis {
        self.params.full()
    }

    /// Runs `f` on the scalar backend with `blocks` buffers, each as large as three polynomials over the full basis.
    pub fn on_scalar<T>(&self, blocks: usize, f: impl FnOnce(&mut Scalar<'_, '_>) -> T) -> T {
        let words = 3 * self.full().len() * self.params.n();
        let mut memory: Vec<Vec<u32>> = (0..blocks).map(|_| vec![0; words]).collect(); // pages untouched cost nothing
        let pool: Vec<Block<'_>> = memory.iter_mut().map(|block| Block::new(block)).collect();
        f(&mut Scalar::new(self.ring(), &pool))
    }

    /// A scalar backend with the lifetime of the test program, for tests that keep ciphertexts, keys and evaluators at
    /// once.
    pub fn into_scalar(self, blocks: usize) -> (&'static Params, Scalar<'static, 'static>) {
        let chain: &'static Self = Box::leak(Box::new(self));
        let words = chain.full().len() * chain.params.n();
        let pool: Vec<Block<'static>> = (0..blocks).map(|_| Block::new(Box::leak(vec![0; words].into()))).collect();
        (&chain.params, Scalar::new(chain.ring(), Box::leak(pool.into())))
    }
}
