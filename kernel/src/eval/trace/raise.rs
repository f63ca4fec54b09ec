//! The traced operations of bootstrapping that are not part of [`crate::arith::Arithmetic`].

use super::{Leveled, PlainLevel, Trace, Work};
use crate::{
    arith::{ComplexArithmetic, cost::Demand},
    error::{Result, same_level},
    math::complex::Complex,
};

impl ComplexArithmetic for Trace {
    fn encode_complex(&mut self, values: &[Complex], level: u8) -> Result<PlainLevel> {
        self.plain(values.len(), level, true)
    }
    fn conjugate(&mut self, x: &Leveled) -> Result<Leveled> {
        self.record(x.level, &[(Work::ModUp, 1), (Work::Gadget, 1), (Work::ModDown, 2)]);
        self.cost.key_switch += 1;
        self.demand.conjugate = self.demand.conjugate.max(Some(x.level));
        Ok(self.switched(x.level))
    }
    fn mul_i(&mut self, x: &mut Leveled) -> Result<()> {
        self.record(x.level, &[(Work::Pass, 1)]);
        Ok(())
    }

    fn begin_bootstrap(&mut self, _: &Demand) -> Result<()> {
        self.cost.bootstrap += 1;
        Ok(())
    }
    fn mod_raise(&mut self, x: Leveled, level: u8) -> Result<Leveled> {
        same_level(0, x.level)?;
        self.record(level, &[(Work::Raise, 1)]);
        self.demand.raise = true;
        let (q, pq) = (self.meter.q(level), self.meter.pq(level));
        Ok(Leveled { level, alive: x.alive.becomes(2 * q, q + 3 * pq) }) // the raised half; a digit times a key
    }
}
