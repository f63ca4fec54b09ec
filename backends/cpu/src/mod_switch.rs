//! Division by primes, target by target. The dropped residues are converted to the target and transformed. The last
//! pass of the transform includes the subtraction. The constants of the conversion contain 1/D and the sign.

use crate::{
    convert::{TOGETHER, Target},
    extend::{self, GROUP, extend, pitch},
    lanes::{Form, Kernel, LANES, Lanes},
    memory::Words,
    ntt::{COLUMN, Cut, ForwardBlock},
    parallel::{Place, chunks, contains, row, rows_mut},
    stages::Stages,
    state::Cpu,
    tables::Table,
};
use polyformer_kernel::{
    backend::Limbs,
    math::modular::Modulus,
    ring::{Basis, convert::Conversion},
};

/// One target prime.
pub struct Quotient<'a> {
    /// Its constants.
    pub table: &'a Table,
    /// -F/f_i / D for each source, and F/D for the quotient: Montgomery words.
    pub constants: Vec<u32>,
    /// The operand's row and its standard-form factor R/D; `None` for a restored prime.
    pub kept: Option<(&'a [u32], u32)>,
    /// Result.
    pub out: &'a mut [u32],
}

/// A group of targets.
pub struct ModSwitch<'a> {
    /// Dropped residues and their quotient, tile by tile.
    pub digits: &'a [&'a [u32]],
    /// The targets.
    pub quotients: Vec<Quotient<'a>>,
    /// [`ModSwitch::scratch`] words.
    pub scratch: &'a mut [u32],
}

impl ModSwitch<'_> {
    /// Words of scratch for `targets` targets at n words a row.
    pub fn scratch(n: usize, targets: usize) -> usize {
        targets * pitch(n) + TOGETHER * extend::tiles(n).1
    }
}

impl<L: Lanes> Kernel<L> for ModSwitch<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Some(n) = self.quotients.first().map(|t| t.out.len()) else { return };
        let cut = Cut::of(n);
        let mut x = vec![l.splat(0); cut.scratch()];
        let (rows, tile) = self.scratch.split_at_mut(self.quotients.len() * pitch(n));
        let targets: Vec<_> =
            self.quotients.iter().map(|t| Target::new(l, t.table, t.constants.iter().copied())).collect();
        let mut outs: Vec<_> = extend::rows_mut(rows, n).collect();
        extend(l, self.digits, &targets, &mut outs, tile, &mut x[..2 * cut.rows]);
        for (quotient, row) in self.quotients.into_iter().zip(extend::rows(rows, n)) {
            finish(l, cut, quotient, row, &mut x[..cut.cols / LANES]);
        }
    }
}

/// Second pass and sum of one target.
#[inline(always)]
fn finish<L: Lanes>(l: L, cut: Cut, quotient: Quotient<'_>, row: &[u32], x: &mut [L::V]) {
    let q = quotient.table.q;
    let s = Stages { l, q: l.modulus(q), tree: &quotient.table.forward };
    let kept = quotient.kept.map(|(a, factor)| (a, l.factor(&L::twiddle(q, factor))));
    for (b, row) in row.chunks_exact(cut.cols).enumerate() {
        let after = (b + 1).min(cut.rows - 1) * cut.cols;
        let next = [kept.map_or(row, |(a, _)| &a[after..]), row];
        l.call(ForwardBlock { stages: &s, root: cut.rows + b, src: row, x, next });
        for (p, x) in x.chunks_exact(2).enumerate() {
            let at = b * cut.cols + p * COLUMN;
            let mut sum = [x[0], x[1]];
            if let Some((a, factor)) = kept {
                let a = l.load_pair(a, at);
                for k in 0..2 {
                    sum[k] = l.add_settled(&s.q, sum[k], l.scale(&s.q, a[k], factor));
                }
            }
            l.store_pair(&s.q, quotient.out, at, sum, Form::Canonical);
            l.prefetch_write(quotient.out, at + cut.cols);
        }
    }
}

impl Cpu<'_> {
    /// [`polyformer_kernel::backend::Backend::mod_switch`].
    pub(crate) fn fused_mod_switch(&self, from: Basis, to: Basis, out: &mut Limbs<Words>, a: &Limbs<Words>) {
        let (ring, n, count) = (&self.ring, out.shape.cols as usize, out.shape.count as usize);
        let (drop, restore) = (from.minus(to), to.minus(from));
        let conversion = Conversion::new(ring, drop, to);
        let scale = |m, q: Modulus| q.mul(ring.product(restore, q), conversion.hat_inv(drop.row(m)));
        let mut outs = rows_mut(out, to).into_iter();
        for item in 0..count {
            let digits = self.digits(drop, a, item, scale);
            let digits: Vec<_> = extend::rows(&digits, n).collect();
            let quotient = |(p, out)| self.quotient(&conversion, [drop, restore, from, to], a, p, out);
            let quotients: Vec<_> = outs.by_ref().take(to.len()).map(quotient).collect();
            let group = self.threads.group(to.len(), GROUP, TOGETHER);
            self.threads.each(false, chunks(quotients, group), |quotients| {
                let mut scratch = self.pool.scratch(ModSwitch::scratch(n, quotients.len()));
                self.isa.run(ModSwitch { digits: &digits, quotients, scratch: &mut scratch });
            });
        }
    }

    fn quotient<'a>(
        &'a self,
        conversion: &Conversion,
        [drop, restore, from, to]: [Basis; 4],
        a: &'a Limbs<Words>,
        p: Place,
        out: &'a mut [u32],
    ) -> Quotient<'a> {
        let (table, t) = (&self.tables[p.m], to.row(p.m));
        let q = table.q;
        let d_inv = q.to_mont(q.inv(self.ring.product(drop, q)));
        let hats = conversion.hats(t).iter().map(|hat| q.neg(q.mul(*hat, d_inv)));
        let constants = hats.chain([q.mul(conversion.modulus(t), d_inv)]).collect();
        let kept = contains(from, p.m).then(|| (row(a, p), q.mul(self.ring.product(restore, q), d_inv)));
        Quotient { table, constants, kept, out }
    }
}
