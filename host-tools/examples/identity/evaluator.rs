//! Each operation of the evaluator, once.

use super::{
    machine::Part,
    owner::Owner,
    record::Record,
    scheme::{complex, real},
};
use polyformer_kernel::{
    Result,
    arith::{Arithmetic, ComplexArithmetic, Transform},
    backend::Backend,
    ckks::{Ciphertext, Ckks, Plaintext, Wide},
    eval::trace::Trace,
    params::Params,
};

/// Sums, products, rotations, linear maps and levels.
pub struct Evaluator;

const ROTATIONS: [i32; 5] = [1, 2, 5, 8, -8];

impl Part for Evaluator {
    fn run<B: Backend>(&self, params: &Params, mut be: B, out: &mut Record) -> Result<()> {
        let mut trace = Trace::new(params.slots(), None);
        let x = trace.input(params.max_message_level());
        trace.product(&x, &x)?;
        trace.conjugate(&x)?;
        for k in ROTATIONS {
            trace.rotate(&x, k)?;
        }
        let mut owner = Owner::new(&mut be, params, 4)?;
        let keys = owner.keys(&mut be, trace.demand())?;
        let (slots, top) = (params.slots(), params.max_message_level());
        let x = owner.encrypt(&mut be, &complex(slots), top)?;
        let y = owner.encrypt(&mut be, &real(slots, 2).into_iter().map(Into::into).collect::<Vec<_>>(), top)?;
        let mut ev = Ckks::new(be, params, keys)?;
        sums(&mut ev, &x, &y, out)?;
        products(&mut ev, &x, &y, out)?;
        rotations(&mut ev, &x, out)?;
        linear_maps(&mut ev, &x, out)?;
        levels(&mut ev, &x, &y, out)
    }
}

fn sums<B: Backend>(ev: &mut Ckks<'_, B>, x: &Ciphertext<B>, y: &Ciphertext<B>, out: &mut Record) -> Result<()> {
    let mut z = ev.copy(x)?;
    out.ciphertext("copy", &mut ev.be, &z)?;
    ev.add(&mut z, y)?;
    out.ciphertext("add", &mut ev.be, &z)?;
    let mut z = ev.copy(x)?;
    ev.sub(&mut z, y)?;
    out.ciphertext("sub", &mut ev.be, &z)?;
    ev.neg(&mut z)?;
    out.ciphertext("neg", &mut ev.be, &z)?;
    let p = ev.encode(&real(16, 9), x.level)?;
    ev.add_plain(&mut z, &p)?;
    out.ciphertext("add_plain", &mut ev.be, &z)?;
    ev.add_const(&mut z, -0.37)?;
    out.ciphertext("add_const", &mut ev.be, &z)?;
    ev.mul_int(&mut z, -3)?;
    out.ciphertext("mul_int", &mut ev.be, &z)?;
    ev.mul_i(&mut z)?;
    out.ciphertext("mul_i", &mut ev.be, &z)?;
    let n = ev.params().n();
    for power in [3, n + n / 4] {
        ev.mul_monomial(&mut z, power)?;
        out.ciphertext(&format!("mul_monomial{power}"), &mut ev.be, &z)?;
    }
    Ok(())
}

fn rescaled<B: Backend>(ev: &mut Ckks<'_, B>, name: &str, w: Wide<B>, out: &mut Record) -> Result<()> {
    let z = ev.rescale(w)?;
    out.ciphertext(name, &mut ev.be, &z)
}

fn products<B: Backend>(ev: &mut Ckks<'_, B>, x: &Ciphertext<B>, y: &Ciphertext<B>, out: &mut Record) -> Result<()> {
    let w = ev.mul(x, y)?;
    rescaled(ev, "mul", w, out)?;
    let w = ev.mul(x, x)?;
    rescaled(ev, "square", w, out)?;
    for period in [4, ev.params().slots()] {
        let p = ev.encode(&real(period, 11), x.level)?;
        let w = ev.mul_plain(x, &p)?;
        rescaled(ev, &format!("mul_plain{period}"), w, out)?;
    }
    let w = ev.mul_const(x, 0.7183)?;
    rescaled(ev, "mul_const", w, out)?;
    let (mut sum, w, c) = (ev.mul(x, y)?, ev.mul(y, y)?, ev.mul_const(x, -0.25)?);
    ev.accumulate(&mut sum, w)?;
    ev.accumulate(&mut sum, c)?;
    rescaled(ev, "sum_of_products", sum, out)?;
    let w = ev.weighted_sum(&[(x, 0.5), (y, -0.75), (x, 1.0 / 3.0)], x.level)?;
    rescaled(ev, "weighted_sum", w, out)?;
    let z = ev.product(x, y)?;
    let z = ev.scaled(&z, 0.3)?;
    out.ciphertext("two_levels", &mut ev.be, &z)
}

fn rotations<B: Backend>(ev: &mut Ckks<'_, B>, x: &Ciphertext<B>, out: &mut Record) -> Result<()> {
    for k in [1, 5, -8] {
        let z = ev.rotate(x, k)?;
        out.ciphertext(&format!("rotate{k}"), &mut ev.be, &z)?;
    }
    let h = ev.hoist(x, &[0, 1, 2, 5])?;
    for k in [0, 1, 2, 5] {
        let z = ev.hoisted(&h, k)?;
        out.ciphertext(&format!("hoisted{k}"), &mut ev.be, &z)?;
    }
    let z = ev.conjugate(x)?;
    out.ciphertext("conjugate", &mut ev.be, &z)?;
    let low = ev.copy_at_level(x, 1)?;
    let z = ev.rotate(&low, 2)?;
    out.ciphertext("rotate_low", &mut ev.be, &z)?;
    let z = ev.product(&low, &low)?;
    out.ciphertext("square_low", &mut ev.be, &z)
}

fn linear_maps<B: Backend>(ev: &mut Ckks<'_, B>, x: &Ciphertext<B>, out: &mut Record) -> Result<()> {
    let (babies, giants) = ([0, 1, 2], [-8, 0, 8]);
    let mut maps = Vec::new();
    for (map, missing) in [(0, 4), (1, 2)] {
        let mut plain: Vec<Option<Plaintext<B>>> = Vec::new();
        for i in 0..babies.len() * giants.len() {
            let values = real(if i % 2 == 0 { 16 } else { ev.params().slots() }, 100 * map + i);
            let zero = i == missing || (map == 1 && i % 3 == 1);
            plain.push(if zero { None } else { Some(ev.encode_diagonal(&values, x.level)?) });
        }
        maps.push(plain);
    }
    let refs: Vec<Vec<_>> = maps.iter().map(|plain| plain.iter().map(Option::as_ref).collect()).collect();
    let map = |i: usize| Transform { baby_steps: &babies, giant_steps: &giants, plain: &refs[i] };
    let h = ev.hoist(x, &babies)?;
    for i in 0..2 {
        let w = ev.transform(&h, &map(i))?;
        rescaled(ev, &format!("transform{i}"), w, out)?;
    }
    let mut sum = ev.transform(&h, &map(0))?;
    let other = ev.transform(&h, &map(1))?;
    ev.accumulate(&mut sum, other)?;
    rescaled(ev, "sum_of_transforms", sum, out)?;
    let mut sum = ev.mul(x, x)?;
    let mapped = ev.transform(&h, &map(0))?;
    ev.accumulate(&mut sum, mapped)?;
    rescaled(ev, "product_and_transform", sum, out)?;
    let only_giants = Transform { baby_steps: &babies, giant_steps: &[8], plain: &refs[0][6..] };
    let w = ev.transform(&h, &only_giants)?;
    rescaled(ev, "transform_giant", w, out)
}

fn levels<B: Backend>(ev: &mut Ckks<'_, B>, x: &Ciphertext<B>, y: &Ciphertext<B>, out: &mut Record) -> Result<()> {
    for level in 0..x.level {
        let z = ev.copy_at_level(x, level)?;
        out.ciphertext("level_down", &mut ev.be, &z)?;
    }
    for from in (1..x.level).rev() {
        let z = ev.copy_at_level(x, from)?;
        let z = ev.drop_to_level(z, from - 1)?;
        out.ciphertext("level_down_by_one", &mut ev.be, &z)?;
    }
    if let Some(level) = (1..x.level).rev().find(|level| ev.fits(x, *level)) {
        let low = ev.copy_at_level(y, level)?;
        let w = ev.weighted_sum(&[(x, 0.5), (&low, -0.75)], level)?;
        rescaled(ev, "weighted_sum_from_above", w, out)?;
    }
    Ok(())
}
