//! The gadget products of hybrid key switching, target by target. Every digit is converted to the target and passes
//! through the first pass of its transform. While a block is in the first-level cache, the block passes through the
//! second pass and into the products with all keys. The sum over digits uses 64 bits. No other intermediate value is
//! written to memory.

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
    backend::{Limbs, MAX_DIGITS, Pair, digit},
    ring::{Basis, convert::Conversion},
};

/// One digit of the operand.
pub struct Digit<'a> {
    /// Its primes to all targets, in the order of the targets' rows.
    pub conversion: &'a Conversion,
    /// Its residues times (F/f)^-1, and their quotient, tile by tile.
    pub rows: Vec<&'a [u32]>,
}

/// One target prime.
pub struct Product<'a> {
    /// Its constants.
    pub table: &'a Table,
    /// Its row among the targets of the conversions.
    pub row: usize,
    /// The target's own digit and its row of the operand, or `None` for a special prime.
    pub own: Option<(usize, &'a [u32])>,
    /// For each half of each key the result and the key's rows, one a digit.
    pub outs: Vec<(&'a mut [u32], Vec<&'a [u32]>)>,
}

/// A group of targets.
pub struct KeySwitch<'a> {
    /// All digits.
    pub digits: &'a [Digit<'a>],
    /// The targets.
    pub products: Vec<Product<'a>>,
    /// [`KeySwitch::scratch`] words.
    pub scratch: &'a mut [u32],
}

impl KeySwitch<'_> {
    /// Words of scratch for `targets` targets at n words a row.
    pub fn scratch(n: usize, targets: usize, digits: usize) -> usize {
        targets * digits * pitch(n) + TOGETHER * extend::tiles(n).1
    }
}

impl<L: Lanes> Kernel<L> for KeySwitch<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Some(n) = self.products.first().and_then(|p| p.outs.first()).map(|(out, _)| out.len()) else { return };
        let cut = Cut::of(n);
        let mut x = vec![l.splat(0); cut.scratch()];
        let (ext, tile) = self.scratch.split_at_mut(self.products.len() * self.digits.len() * pitch(n));
        for (j, digit) in self.digits.iter().enumerate() {
            let rows = extend::rows_mut(ext, n).skip(j).step_by(self.digits.len());
            let foreign = self.products.iter().zip(rows).filter(|(p, _)| p.own.is_none_or(|(own, _)| own != j));
            let (targets, mut rows): (Vec<_>, Vec<_>) = foreign
                .map(|(p, row)| {
                    let overflow = p.table.q.neg(digit.conversion.modulus(p.row));
                    let constants = digit.conversion.hats(p.row).iter().copied().chain([overflow]);
                    (Target::new(l, p.table, constants), row) // Montgomery words taken as plain: the result is x 2^32
                })
                .unzip();
            extend(l, &digit.rows, &targets, &mut rows, tile, &mut x[..2 * cut.rows]);
        }
        let mut blocks = vec![l.splat(0); self.digits.len() * cut.cols / LANES];
        for (product, ext) in self.products.into_iter().zip(ext.chunks_exact(self.digits.len() * pitch(n))) {
            multiply(l, cut, product, ext, &mut blocks);
        }
    }
}

/// Second passes and products of one target; `ext` has a row a digit, `x` a block a digit.
#[inline(always)]
fn multiply<L: Lanes>(l: L, cut: Cut, mut product: Product<'_>, ext: &[u32], x: &mut [L::V]) {
    let s = Stages { l, q: l.modulus(product.table.q), tree: &product.table.forward };
    let (n, vectors) = (cut.rows * cut.cols, cut.cols / LANES);
    let together = 16 / L::SETTLED; // products in a sum
    for b in 0..cut.rows {
        let at = b * cut.cols;
        for (j, (x, row)) in x.chunks_exact_mut(vectors).zip(extend::rows(ext, n)).enumerate() {
            let after = (b + 1).min(cut.rows - 1) * cut.cols;
            let next = |half: usize| product.outs.get(half).map_or(row, |(_, keys)| &keys[j][after..]);
            let next = [next(0), next(1)];
            match product.own {
                Some((own, d)) if own == j => {
                    for (p, x) in x.chunks_exact_mut(2).enumerate() {
                        l.prefetch(next[0], p * COLUMN);
                        l.prefetch(next[1], p * COLUMN);
                        l.prefetch(d, at + cut.cols + p * COLUMN);
                        [x[0], x[1]] = l.load_pair(d, at + p * COLUMN);
                    }
                }
                _ => l.call(ForwardBlock { stages: &s, root: cut.rows + b, src: &row[at..at + cut.cols], x, next }),
            }
        }
        for (out, keys) in &mut product.outs {
            for p in 0..vectors / 2 {
                let at = at + p * COLUMN;
                let mut sum = [l.splat(0); 2]; // settled
                for (i, keys) in keys.chunks(together).enumerate() {
                    let mut acc = [l.zero(); 2];
                    for (k, key) in keys.iter().enumerate() {
                        let y = (i * together + k) * vectors + 2 * p;
                        let key = l.load_pair(key, at);
                        acc = [l.mul_add(acc[0], x[y], key[0]), l.mul_add(acc[1], x[y + 1], key[1])];
                    }
                    let part = [l.reduce(&s.q, acc[0]), l.reduce(&s.q, acc[1])];
                    if i == 0 {
                        sum = part;
                    } else {
                        sum[0] = l.add_settled(&s.q, sum[0], l.canonical(&s.q, part[0]));
                        sum[1] = l.add_settled(&s.q, sum[1], l.canonical(&s.q, part[1]));
                    }
                }
                l.store_pair(&s.q, out, at, sum, Form::Canonical);
                l.prefetch_write(out, at + cut.cols);
            }
        }
    }
}

impl Cpu<'_> {
    /// [`polyformer_kernel::backend::Backend::key_switch`].
    pub(crate) fn fused_key_switch(
        &self,
        q: Basis,
        alpha: u16,
        d: &Limbs<Words>,
        keys: &[&[Pair<Words>]],
        accs: &mut [Pair<Words>],
    ) {
        let (specials, n, count) = (self.ring.specials(), d.shape.cols as usize, d.shape.count as usize);
        let full = q.with(specials);
        let parts = (0..MAX_DIGITS).map(|j| (j, digit(q, specials, alpha, j))).filter(|(_, part)| !part.is_empty());
        let parts: Vec<_> = parts.map(|(j, part)| (j, part, Conversion::new(&self.ring, part, full))).collect();
        let mut outs: Vec<_> = accs.iter_mut().flatten().map(|acc| rows_mut(acc, full).into_iter()).collect();
        for item in 0..count {
            let words = parts.iter().map(|(_, part, conversion)| {
                self.digits(*part, d, item, |m, q| q.from_mont(conversion.hat_inv(part.row(m))))
            });
            let words: Vec<_> = words.collect();
            let digits = parts.iter().zip(&words);
            let digits: Vec<_> = digits
                .map(|((_, _, conversion), words)| Digit { conversion, rows: extend::rows(words, n).collect() })
                .collect();
            let product = |(r, m)| {
                let p = Place { item, m };
                let own = parts.iter().position(|(_, part, _)| contains(*part, m)).map(|j| (j, row(d, p)));
                let halves = keys.iter().flat_map(|key| [(key, 0), (key, 1)]);
                let rows = halves.map(|(key, h)| parts.iter().map(|(j, ..)| row(&key[*j][h], p)).collect());
                let outs = outs.iter_mut().filter_map(|rows| rows.next()).map(|(_, out)| out).zip(rows).collect();
                Product { table: &self.tables[m], row: r, own, outs }
            };
            let products: Vec<_> = full.iter().enumerate().map(product).collect();
            let group = self.threads.group(products.len(), GROUP, TOGETHER);
            self.threads.each(false, chunks(products, group), |products| {
                let mut scratch = self.pool.scratch(KeySwitch::scratch(n, products.len(), digits.len()));
                self.isa.run(KeySwitch { digits: &digits, products, scratch: &mut scratch });
            });
        }
    }
}
