//! Ciphertexts with a bootstrap that holds the secret key, decrypts and encrypts again. Tests of the layers above
//! bootstrapping use this evaluator, on chains without bootstrapping.

use crate::client::Client;
use polyformer_catalogue::Entry;
use polyformer_kernel::{
    arith::{Arithmetic, wrapper::Wrapper},
    backend::Backend,
    ckks::{Ciphertext, Ckks},
    error::{Error, Result},
    eval::{placement::Placement, planner::BootstrapPlanner, trace::Trace},
    math::complex::Complex,
    params::Params,
};

/// [`Ckks`] for real slots, with a bootstrap to the top level.
pub struct FakeBootstrap<'p, B: Backend> {
    /// The evaluator.
    pub inner: Ckks<'p, B>,
    /// The owner of the secret.
    pub client: Client<'p, B>,
    top: u8,
    bootstraps: usize,
}

impl<'p, B: Backend> FakeBootstrap<'p, B> {
    /// Bootstraps go to level `top`.
    pub fn new(inner: Ckks<'p, B>, client: Client<'p, B>, top: u8) -> Self {
        Self { inner, client, top, bootstraps: 0 }
    }

    /// Bootstraps so far.
    pub fn bootstraps(&self) -> usize {
        self.bootstraps
    }

    /// Real slots, encrypted at the top level.
    pub fn encrypt(&mut self, values: &[f64]) -> Ciphertext<B> {
        let values: Vec<Complex> = values.iter().map(|x| Complex::from(*x)).collect();
        self.client.encrypt(&mut self.inner.be, &values, self.top)
    }

    /// The real parts of the slots.
    pub fn decrypt(&mut self, x: &Ciphertext<B>) -> Vec<f64> {
        self.client.decrypt(&mut self.inner.be, x).iter().map(|z| z.re).collect()
    }
}

impl<'p, B: Backend> Wrapper for FakeBootstrap<'p, B> {
    type Inner = Ckks<'p, B>;

    fn inner(&self) -> &Ckks<'p, B> {
        &self.inner
    }
    fn inner_mut(&mut self) -> &mut Ckks<'p, B> {
        &mut self.inner
    }
    /// Decrypts, and encrypts at the top level.
    fn refreshed(&mut self, x: Ciphertext<B>, depth: u8) -> Result<Ciphertext<B>> {
        if self.inner.level(&x) >= depth {
            return Ok(x);
        }
        if self.top < depth {
            return Err(Error::LevelExhausted { need: depth, have: self.top });
        }
        self.bootstraps += 1;
        let values = self.decrypt(&x);
        Ok(self.encrypt(&values))
    }
    fn refreshed_pair(&mut self, [x, y]: [Ciphertext<B>; 2], depth: u8) -> Result<[Ciphertext<B>; 2]> {
        Ok([self.refreshed(x, depth)?, self.refreshed(y, depth)?])
    }
}

/// A circuit that ran on ciphertexts.
#[derive(Debug)]
pub struct Ran {
    /// Its decrypted outputs.
    pub outputs: Vec<Vec<f64>>,
    /// Its depth.
    pub depth: u8,
    /// The number of bootstraps.
    pub bootstraps: usize,
}

/// Runs a circuit with the bootstraps of `place` and exactly the keys that the tracer demands.
pub fn decrypted<B: Backend>(
    entry: &Entry,
    (params, mut be): (&Params, B),
    place: &Placement,
    inputs: &[Vec<f64>],
) -> Ran {
    let (slots, top) = (params.slots(), params.max_message_level());
    let mut tracer =
        BootstrapPlanner::new(Trace::new(slots, Some(top)), place.clone(), |tr: &mut Trace, _| Ok(tr.input(top)));
    let leveled: Vec<_> = inputs.iter().map(|_| tracer.inner.input(top)).collect();
    let mut xs = leveled.into_iter().map(|x| tracer.input(x).unwrap()).collect();
    entry.circuit.run(&mut tracer, &mut xs, &entry.rows).unwrap();
    let (tracer, _) = tracer.into_parts();

    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, tracer.demand());
    let mut ev = FakeBootstrap::new(Ckks::new(be, params, keys).unwrap(), client, top);
    let fresh: Vec<_> = inputs.iter().map(|x| ev.encrypt(x)).collect();
    let mut deep = BootstrapPlanner::new(ev, place.clone(), |ev: &mut FakeBootstrap<'_, B>, x| ev.refresh(x, top));
    let mut xs = fresh.into_iter().map(|x| deep.input(x).unwrap()).collect();
    entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
    let depth = deep.nodes().iter().map(|n| n.depth).max().unwrap_or(0);
    let results: Vec<_> = xs.into_iter().map(|x| deep.output(x)).collect();
    let (mut ev, _) = deep.into_parts();
    Ran { outputs: results.iter().map(|ct| ev.decrypt(ct)).collect(), depth, bootstraps: ev.bootstraps() }
}
