//! BPMax as a value: (x + c)^p / (R L) with a public R, for rows of L keys. [Powerformer, ACL 2025]

use super::{
    fields::{FieldError, Fields, FromFields, integer, number},
    pointwise::BpMax,
    weights::AttentionWeights,
};
use crate::{
    arith::Arithmetic,
    circuits::{mul_aligned, power},
    error::{Error, Result},
};

/// [`BpMax`] with a public divisor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublicBpMax {
    bpmax: BpMax,
    divisor: f64,
}

impl PublicBpMax {
    /// (x + c)^p / (`divisor` · L): the divisor stands for the mean power of a row.
    ///
    /// # Errors
    /// [`Error::BadRange`] if c or the divisor is not positive; [`Error::BadPower`] if p is over 2^6 + 1.
    pub fn new(bpmax: BpMax, divisor: f64) -> Result<Self> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        if !(positive(divisor) && positive(bpmax.c)) {
            return Err(Error::BadRange { lo: bpmax.c, hi: divisor });
        }
        if bpmax.log_p > 6 {
            return Err(Error::BadPower { power: bpmax.log_p, most: 6 });
        }
        Ok(Self { bpmax, divisor })
    }
}

impl AttentionWeights for PublicBpMax {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    fn score_factor(&self, _: usize) -> f64 {
        self.bpmax.input_scale()
    }
    fn range(&self) -> Option<(f64, f64)> {
        Some((-self.bpmax.c, self.bpmax.c))
    }
    fn numerators<A: Arithmetic>(&self, ev: &mut A, mut x: A::Slots, _: Option<[&A::Slots; 2]>) -> Result<A::Slots> {
        ev.add_const(&mut x, self.bpmax.c * self.bpmax.input_scale())?;
        let high = power(ev, &x, 1 << self.bpmax.log_p)?;
        mul_aligned(ev, &high, &x)
    }
    fn numerator_depth(&self) -> u8 {
        self.bpmax.log_p as u8 + 1
    }
    fn weight_factor(&self, visible: usize) -> f64 {
        self.bpmax.pattern(1.0, self.divisor * visible.max(1) as f64)
    }
    fn define(&self, row: &mut [f64]) {
        let divisor = self.divisor * row.len() as f64;
        row.iter_mut().for_each(|x| *x = self.bpmax.define(*x, divisor));
    }
    fn error(&self) -> f64 {
        0.0
    }
}

/// Fields: `c`; `log_power`, log2(p - 1); `divisor`, R.
impl FromFields for PublicBpMax {
    const NAME: &'static str = "bpmax";

    fn from_fields(fields: &impl Fields) -> core::result::Result<Self, FieldError> {
        let bpmax = BpMax { c: number(fields, "c")?, log_p: integer(fields, "log_power", 6)? };
        Ok(Self::new(bpmax, number(fields, "divisor")?)?)
    }
}
