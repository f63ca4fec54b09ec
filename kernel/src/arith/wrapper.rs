//! A decorator for [`super::Arithmetic`]. Implement [`Wrapper`] to count, time or inspect operations. The decorator
//! forwards all other operations to the inner arithmetic.

use crate::{
    arith::{Arithmetic, Transform},
    error::Result,
};

/// The hooks of a decorator; each hook does nothing by default. A type with this trait is an [`Arithmetic`] with the
/// values of its inner arithmetic.
pub trait Wrapper {
    /// The arithmetic inside.
    type Inner: Arithmetic;

    /// The arithmetic inside.
    fn inner(&self) -> &Self::Inner;
    /// The same, to work with.
    fn inner_mut(&mut self) -> &mut Self::Inner;

    /// Encodes a public vector: `encode` does so inside.
    fn encoded(
        &mut self,
        encode: impl FnOnce(&mut Self::Inner) -> Result<<Self::Inner as Arithmetic>::Plaintext>,
    ) -> Result<<Self::Inner as Arithmetic>::Plaintext> {
        encode(self.inner_mut())
    }
    /// Called with each vector that an operation made or changed, copies left out, and the operation's name.
    fn made(&mut self, _op: &'static str, _x: &<Self::Inner as Arithmetic>::Slots) {}
    /// [`Arithmetic::refresh`]
    fn refreshed(
        &mut self,
        x: <Self::Inner as Arithmetic>::Slots,
        depth: u8,
    ) -> Result<<Self::Inner as Arithmetic>::Slots> {
        self.inner_mut().refresh(x, depth)
    }
    /// [`Arithmetic::refresh_pair`]. A decorator that replaces [`Wrapper::refreshed`] replaces this hook, too.
    fn refreshed_pair(
        &mut self,
        pair: [<Self::Inner as Arithmetic>::Slots; 2],
        depth: u8,
    ) -> Result<[<Self::Inner as Arithmetic>::Slots; 2]> {
        self.inner_mut().refresh_pair(pair, depth)
    }
}

/// x, looked at.
fn seen<A: Wrapper>(
    around: &mut A,
    op: &'static str,
    x: Result<<A::Inner as Arithmetic>::Slots>,
) -> Result<<A::Inner as Arithmetic>::Slots> {
    x.inspect(|x| around.made(op, x))
}

impl<A: Wrapper> Arithmetic for A {
    type Slots = <A::Inner as Arithmetic>::Slots;
    type Wide = <A::Inner as Arithmetic>::Wide;
    type Plaintext = <A::Inner as Arithmetic>::Plaintext;
    type Hoisted = <A::Inner as Arithmetic>::Hoisted;

    fn slots(&self) -> usize {
        self.inner().slots()
    }
    fn level(&self, x: &Self::Slots) -> u8 {
        self.inner().level(x)
    }
    fn encode(&mut self, values: &[f64], level: u8) -> Result<Self::Plaintext> {
        self.encoded(|a| a.encode(values, level))
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<Self::Plaintext> {
        self.encoded(|a| a.encode_diagonal(values, level))
    }

    fn copy(&mut self, x: &Self::Slots) -> Result<Self::Slots> {
        self.inner_mut().copy(x)
    }
    fn add(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.inner_mut().add(x, y)?;
        self.made("add", x);
        Ok(())
    }
    fn sub(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.inner_mut().sub(x, y)?;
        self.made("sub", x);
        Ok(())
    }
    fn add_plain(&mut self, x: &mut Self::Slots, p: &Self::Plaintext) -> Result<()> {
        self.inner_mut().add_plain(x, p)?;
        self.made("add_plain", x);
        Ok(())
    }
    fn neg(&mut self, x: &mut Self::Slots) -> Result<()> {
        self.inner_mut().neg(x)?;
        self.made("neg", x);
        Ok(())
    }
    fn add_const(&mut self, x: &mut Self::Slots, c: f64) -> Result<()> {
        self.inner_mut().add_const(x, c)?;
        self.made("add_const", x);
        Ok(())
    }
    fn mul_int(&mut self, x: &mut Self::Slots, k: i32) -> Result<()> {
        self.inner_mut().mul_int(x, k)?;
        self.made("mul_int", x);
        Ok(())
    }

    fn mul(&mut self, x: &Self::Slots, y: &Self::Slots) -> Result<Self::Wide> {
        self.inner_mut().mul(x, y)
    }
    fn mul_plain(&mut self, x: &Self::Slots, p: &Self::Plaintext) -> Result<Self::Wide> {
        self.inner_mut().mul_plain(x, p)
    }
    fn mul_const(&mut self, x: &Self::Slots, c: f64) -> Result<Self::Wide> {
        self.inner_mut().mul_const(x, c)
    }
    fn weighted_sum(&mut self, terms: &[(&Self::Slots, f64)], level: u8) -> Result<Self::Wide> {
        self.inner_mut().weighted_sum(terms, level)
    }
    fn fits(&self, x: &Self::Slots, level: u8) -> bool {
        self.inner().fits(x, level)
    }
    fn accumulate(&mut self, w: &mut Self::Wide, v: Self::Wide) -> Result<()> {
        self.inner_mut().accumulate(w, v)
    }
    fn rescale(&mut self, w: Self::Wide) -> Result<Self::Slots> {
        let x = self.inner_mut().rescale(w);
        seen(self, "rescale", x)
    }

    fn rotate(&mut self, x: &Self::Slots, k: i32) -> Result<Self::Slots> {
        let x = self.inner_mut().rotate(x, k);
        seen(self, "rotate", x)
    }
    fn hoist(&mut self, x: &Self::Slots, steps: &[i32]) -> Result<Self::Hoisted> {
        self.inner_mut().hoist(x, steps)
    }
    fn hoisted(&mut self, h: &Self::Hoisted, k: i32) -> Result<Self::Slots> {
        let x = self.inner_mut().hoisted(h, k);
        seen(self, "hoisted", x)
    }
    fn transform(&mut self, h: &Self::Hoisted, map: &Transform<'_, Self::Plaintext>) -> Result<Self::Wide> {
        self.inner_mut().transform(h, map)
    }
    fn drop_to_level(&mut self, x: Self::Slots, level: u8) -> Result<Self::Slots> {
        self.inner_mut().drop_to_level(x, level)
    }
    fn copy_at_level(&mut self, x: &Self::Slots, level: u8) -> Result<Self::Slots> {
        self.inner_mut().copy_at_level(x, level)
    }
    fn refresh(&mut self, x: Self::Slots, depth: u8) -> Result<Self::Slots> {
        let x = self.refreshed(x, depth);
        seen(self, "refresh", x)
    }
    fn refresh_pair(&mut self, pair: [Self::Slots; 2], depth: u8) -> Result<[Self::Slots; 2]> {
        let pair = self.refreshed_pair(pair, depth)?;
        pair.iter().for_each(|x| self.made("refresh", x));
        Ok(pair)
    }
}
