//! Basis conversion as a modular matrix product: columns of source digits times constants, summed in 64 bits, with one
//! reduction per target. The overflow of a centred conversion is one more column.

use crate::{
    lanes::{Form, LANES, Lanes},
    tables::Table,
};
use polyformer_kernel::{
    math::modular::Modulus,
    ring::{convert::MAX_SOURCES, limb::quotient_inverse},
};

/// Words of two vectors.
const PAIR: usize = 2 * LANES;

/// Targets that share each load of a digit.
pub const TOGETHER: usize = 4;

/// One target: its prime and its constants.
pub struct Target<'a> {
    /// Of the target prime.
    pub table: &'a Table,
    /// One word a source, in the form of [`Lanes::constant`].
    pub constants: Vec<u32>,
}

impl<'a> Target<'a> {
    /// `constants` plain.
    pub fn new<L: Lanes>(_: L, table: &'a Table, constants: impl Iterator<Item = u32>) -> Self {
        Self { table, constants: constants.map(|c| L::constant(table.q, c)).collect() }
    }
}

/// `outs[t] = sum_i digits[i] targets[t].constants[i]` modulo the primes of up to [`TOGETHER`] targets. All slices have
/// one length, a multiple of 16. At most 16 digits are canonical, and one more digit is below 17.
#[inline(always)]
pub fn product<L: Lanes>(l: L, digits: &[&[u32]], targets: &[Target<'_>], outs: &mut [&mut [u32]], form: Form) {
    match (targets, outs) {
        ([a, b, c, d], [oa, ob, oc, od]) => block(l, digits, [a, b, c, d], [oa, ob, oc, od], form),
        ([a, b, c], [oa, ob, oc]) => block(l, digits, [a, b, c], [oa, ob, oc], form),
        ([a, b], [oa, ob]) => block(l, digits, [a, b], [oa, ob], form),
        (targets, outs) => {
            for (target, out) in targets.iter().zip(outs) {
                block(l, digits, [target], [out], form);
            }
        }
    }
}

#[inline(always)]
fn block<L: Lanes, const T: usize>(
    l: L,
    digits: &[&[u32]],
    targets: [&Target<'_>; T],
    outs: [&mut [u32]; T],
    form: Form,
) {
    let qs = targets.map(|t| l.modulus(t.table.q));
    let outs = outs.map(|out| out.as_chunks_mut::<PAIR>().0);
    let mut rows = [(&[][..], [0; T]); MAX_SOURCES + 1]; // a digit and its constants
    for (i, (row, digit)) in rows.iter_mut().zip(digits).enumerate() {
        *row = (digit.as_chunks::<PAIR>().0, targets.map(|t| t.constants[i]));
    }
    for p in 0..outs[0].len() {
        let mut acc = [[l.zero(); 2]; T];
        for (digit, constants) in &rows[..digits.len()] {
            let [x, y] = l.load_two(&digit[p], 0);
            for t in 0..T {
                let c = l.splat(constants[t]);
                acc[t] = [l.mul_add(acc[t][0], x, c), l.mul_add(acc[t][1], y, c)];
            }
        }
        for t in 0..T {
            let sum = [l.reduce_constant(&qs[t], acc[t][0]), l.reduce_constant(&qs[t], acc[t][1])];
            l.store_two(&qs[t], &mut outs[t][p], 0, sum, form);
        }
    }
}

/// out = round(sum_i digits[i] / f_i), see [`polyformer_kernel::ring::limb::quotient`].
#[inline(always)]
pub fn quotient<L: Lanes>(l: L, digits: &[&[u32]], sources: &[Modulus], out: &mut [u32]) {
    let mut inverses = [(0, 0); MAX_SOURCES];
    for (i, f) in inverses.iter_mut().zip(sources) {
        *i = quotient_inverse(f.q());
    }
    for at in (0..out.len()).step_by(LANES) {
        let mut acc = l.zero();
        for (digit, inverse) in digits.iter().zip(inverses) {
            acc = l.quotient_add(acc, l.load(digit, at), inverse);
        }
        l.store(out, at, l.quotient_round(acc));
    }
}
