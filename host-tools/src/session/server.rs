//! The server: evaluation keys, a model, ciphertexts. Nothing here can decrypt.

use super::{ORDER, Plan, Watched};
use crate::{
    Result,
    cipher::Encrypted,
    error::In,
    files::{Body, Fault, Header, Kind, Mapped, View},
    keygen::Want,
    wire,
};
use kernel::{
    arith::Arithmetic,
    backend::{Backend, Shape},
    ckks::{Ciphertext, Ckks, keys::Keys},
    nn::{Model, forward, packed::Packed},
    params::Params,
    poly::Poly,
};
use std::path::Path;

/// Loads the keys of a folder; `of` is the header of any file of the same client. `step` is called after each.
pub fn load_keys<B: Backend>(
    be: &mut B,
    folder: &Path,
    wants: &[Want],
    of: &Header,
    step: impl Fn(),
) -> Result<Keys<B>> {
    let mut keys = Keys::default();
    for want in wants {
        let path = folder.join(want.file_name());
        let mapped = Mapped::open(&path).in_file(&path)?;
        let view = View::parse(mapped.bytes()).in_file(&path)?;
        view.expect_same(of).in_file(&path)?;
        wire::load_key(be, &view, &mut keys)?;
        step();
    }
    Ok(keys)
}

/// Who answers.
pub struct Server<'a, B: Backend> {
    ckks: Ckks<'a, B>,
    model: &'a Model<'a>,
    keys_of: Header,
    period: usize, // of the vectors that bootstrapping is prepared for; 0 before the first
}

impl<'a, B: Backend> Server<'a, B> {
    /// A server with a client's keys. `of` is the header of their files.
    pub fn new(be: B, params: &'a Params, keys: Keys<B>, model: &'a Model<'a>, of: &Header) -> Result<Self> {
        let ckks = Ckks::new(be, params, keys, 1)?;
        Ok(Self { ckks, model, keys_of: of.clone(), period: 0 })
    }

    /// Prepares for questions of this plan: an error if a key is missing.
    pub fn prepare(&mut self, plan: &Plan) -> Result<()> {
        let params = self.ckks.params();
        self.ckks.keys_mut().0.meet(params, &plan.demand)?;
        let period = plan.layout.period();
        if period != self.period {
            self.ckks.bootstrap_with(period, ORDER, self.model.range)?;
            self.period = period;
        }
        Ok(())
    }

    /// Logits of the questions in a ciphertext, where [`kernel::nn::packed::Layout::unpack`] finds them; the other slots
    /// hold copies of them or nothing. `step` is called after each part of the model with its name and seconds.
    pub fn infer(
        &mut self,
        plan: &Plan,
        question: &Encrypted,
        step: &mut dyn FnMut(&'static str, f64),
    ) -> Result<Encrypted> {
        self.prepare(plan)?;
        let place = Path::new("question");
        let (params, header) = (self.ckks.params(), &question.header);
        let Body::Ciphertext(sealed) = header.body else {
            return Err(Fault::Kind { expected: Kind::Ciphertext, actual: header.kind() }).in_file(place);
        };
        if header.key != self.keys_of.key || header.spec != self.keys_of.spec {
            let name = |h: &Header| h.key.map_or("none".into(), |k| k.to_string());
            return Err(Fault::OtherKey { expected: name(&self.keys_of), actual: name(header) }).in_file(place);
        }
        let shape = Shape { count: 1, basis: params.q(sealed.level), cols: params.n() as u32 };
        let be = &mut self.ckks.be;
        let c0 = Poly::from_words(be, shape, question.tensors.first().map_or(&[], |t| &t[..]))?;
        let c1 = match sealed.seed {
            Some(seed) => Poly::assume(wire::expand(be, 1, shape.basis, &seed, 0)?),
            None => Poly::from_words(be, shape, question.tensors.get(1).map_or(&[], |t| &t[..]))?,
        };
        let x = Ciphertext { c: [c0, c1], level: sealed.level };
        let packed = Packed::new(&mut self.ckks, plan.layout.clone());
        let mut out = forward(&mut Watched::new(packed, step), self.model, vec![x])?;
        let y = out.pop().ok_or(kernel::Error::Length { expected: 1, actual: 0 })?;
        let y = self.ckks.level_down(y, 0)?; // what decryption needs, and no more to send
        let (header, tensors) = wire::save_ciphertext(&mut self.ckks.be, &y, params.slots() as u64, header)?;
        Ok(Encrypted { header, tensors: tensors.into() })
    }
}
