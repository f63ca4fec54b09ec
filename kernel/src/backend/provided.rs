//! The provided bodies of the contract's composed methods. A backend that overrides such a method must produce the same
//! words.

use super::{Backend, GiantStep, Limbs, MAX_DIGITS, Op, Pair, Shape, Source, Workspace, digit};
use crate::{
    error::Result,
    ring::{Basis, Ring},
};
use heapless::Vec;

/// The provided body of [`Backend::mod_switch`], for overrides that fuse some cases and not others.
pub fn mod_switch<B: Backend + ?Sized>(
    be: &mut B,
    from: Basis,
    to: Basis,
    out: &mut Limbs<B::Buf>,
    a: &Limbs<B::Buf>,
    ws: &mut Workspace<B::Buf>,
) {
    let (drop, restore, keep) = (from.minus(to), to.minus(from), from.and(to));
    let restored = |ring: &Ring<'_>, over| ring.constants(over, |q| ring.product(restore, q));
    be.copy(drop, &mut ws.coeff, a);
    be.intt(drop, &mut ws.coeff);
    let r = restored(&be.ring(), drop);
    be.scalar_assign(Op::Mul, drop, &mut ws.coeff, &r);
    be.convert(drop, to, &mut ws.tmp, &ws.coeff);
    be.ntt(to, &mut ws.tmp);
    let r = restored(&be.ring(), keep);
    be.scalar(Op::Mul, keep, out, a, &r);
    be.zip_assign(Op::Sub, keep, out, &ws.tmp);
    let minus_one = be.ring().constants(restore, |q| q.q() - 1);
    be.scalar(Op::Mul, restore, out, &ws.tmp, &minus_one);
    let ring = be.ring();
    let d_inv = ring.constants(to, |q| q.inv(ring.product(drop, q)));
    be.scalar_assign(Op::Mul, to, out, &d_inv);
}

/// mod_up: extends the rows `digit` of `a` to all rows `over` of `out`. `a` and `out` are Eval; `coeff` holds the rows
/// `digit` of `a` in Coeff. The result is `a` modulo the digit, as the integer nearest to 0. `over` covers `digit`, and
/// the digit is a span without specials.
pub fn mod_up<B: Backend + ?Sized>(
    be: &mut B,
    digit: Basis,
    over: Basis,
    out: &mut Limbs<B::Buf>,
    a: &Limbs<B::Buf>,
    coeff: &Limbs<B::Buf>,
) {
    let below = Basis { end: digit.start, ..over };
    let above = Basis { specials: 0, start: digit.end, end: over.end };
    for to in [below, above] {
        if !to.is_empty() {
            be.convert(digit, to, out, coeff);
            be.ntt(to, out);
        }
    }
    be.copy(digit, out, a);
}

/// The provided body of [`Backend::key_switch`], for overrides that fuse some cases and not others.
pub fn key_switch<B: Backend + ?Sized>(
    be: &mut B,
    q: Basis,
    alpha: u16,
    d: &Limbs<B::Buf>,
    keys: &[&[Pair<B::Buf>]],
    accs: &mut [Pair<B::Buf>],
    ws: &mut Workspace<B::Buf>,
) {
    let specials = be.ring().specials();
    let full = q.with(specials);
    be.copy(q, &mut ws.coeff, d);
    be.intt(q, &mut ws.coeff);
    let mut used: Vec<usize, MAX_DIGITS> = Vec::new();
    for (j, ext) in ws.ext.iter_mut().enumerate() {
        let digit = digit(q, specials, alpha, j);
        if !digit.is_empty() {
            mod_up(be, digit, full, ext, d, &ws.coeff);
            let _ = used.push(j); // cannot overflow: one a digit
        }
    }
    for (key, acc) in keys.iter().zip(accs) {
        for (half, acc) in acc.iter_mut().enumerate() {
            let terms: Vec<_, MAX_DIGITS> = used.iter().map(|j| (&ws.ext[*j], &key[*j][half])).collect();
            be.dot(full, acc, &terms);
        }
    }
}

/// The provided body of [`Backend::key_switch_add`].
pub(super) fn key_switch_add<B: Backend + ?Sized>(
    be: &mut B,
    source: &Source<'_, B::Buf>,
    keys: &[&[Pair<B::Buf>]],
    galois: &[u32],
    outs: &mut [Pair<B::Buf>],
    ws: &mut Workspace<B::Buf>,
) -> Result<()> {
    let Source { q, alpha, d, add } = *source;
    be.key_switch(q, alpha, d, keys, outs, ws);
    let full = q.with(be.ring().specials());
    let mut turned = None;
    for (out, galois) in outs.iter_mut().zip(galois) {
        for (out, add) in out.iter_mut().zip(add) {
            if let Some(add) = add {
                be.mul_add(q, out, add, &ws.p);
            }
        }
        if *galois != 1 {
            let mut other = match turned.take() {
                Some(pair) => pair,
                None => pair(be, full, d.shape)?,
            };
            for (to, from) in other.iter_mut().zip(out.iter()) {
                be.permute(full, to, from, *galois);
            }
            core::mem::swap(out, &mut other);
            turned = Some(other);
        }
    }
    Ok(())
}

/// The provided body of [`Backend::giant_steps`].
pub(super) fn giant_steps<B: Backend + ?Sized>(
    be: &mut B,
    (q, alpha): (Basis, u16),
    giant_steps: &mut [GiantStep<'_, B::Buf>],
    sum: &mut Pair<B::Buf>,
    fresh: bool,
    ws: &mut Workspace<B::Buf>,
) -> Result<()> {
    let full = q.with(be.ring().specials());
    let mut d = be.alloc(Shape { basis: q, ..sum[0].shape })?;
    let mut acc = [pair(be, full, sum[0].shape)?];
    for (i, giant) in giant_steps.iter_mut().enumerate() {
        be.mod_switch(full, q, &mut d, &giant.c[1], ws);
        be.key_switch(q, alpha, &d, &[giant.key], &mut acc, ws);
        be.zip_assign(Op::Add, full, &mut acc[0][0], &giant.c[0]);
        for (sum, c) in sum.iter_mut().zip(&acc[0]) {
            if fresh && i == 0 {
                be.permute(full, sum, c, giant.galois);
            } else {
                be.permute_add(full, sum, c, giant.galois, ws);
            }
        }
    }
    Ok(())
}

fn pair<B: Backend + ?Sized>(be: &mut B, basis: Basis, like: Shape) -> Result<Pair<B::Buf>> {
    let shape = Shape { basis, ..like };
    Ok([be.alloc(shape)?, be.alloc(shape)?])
}
