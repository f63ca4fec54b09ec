//! The operations of the contract. Each operation gathers rows, distributes the rows over threads, and runs a compute
//! kernel on each row.

use crate::{
    convert::{self, TOGETHER, Target},
    dots::{Dots, Factor},
    intt,
    lanes::{Form, Kernel, Lanes},
    memory::Words,
    ntt::{self, Cut},
    parallel::{Place, RowMut, row, rows_mut},
    rows::{self, Permute, Plan, Residues, Tensor, Zip},
    state::Cpu,
    tables::{End, SHORTEST, Table},
};
use polyformer_kernel::{
    Result,
    backend::{self, Backend, Limbs, Op, Pair, Shape, Term, Workspace},
    error::same_length,
    math::modular::Modulus,
    ring::{
        Basis, MAX_MODULI, Ring,
        convert::Conversion,
        limb,
        sample::{self, Seed},
    },
};

type Buf = Limbs<Words>;

/// Words that one thread goes through before another would have woken up.
const SMALL: usize = 1 << 15;

/// One row to transform.
struct Transform<'a> {
    table: &'a Table,
    inverse: bool,
    data: &'a mut [u32],
    row: &'a mut [u32],
}

impl<L: Lanes> Kernel<L> for Transform<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { table, inverse, data, row } = self;
        let mut x = vec![l.splat(0); Cut::of(data.len()).scratch()];
        if inverse {
            let end = End::new(l, table, data.len(), 1);
            intt::inverse_blocks(l, table, &end, data, row, &mut x);
            if Cut::of(data.len()).rows == 1 {
                data.copy_from_slice(row);
            } else {
                intt::inverse_columns(l, table, &end, row, (data, false), &mut x);
            }
        } else {
            ntt::forward(l, table, data, row, &mut x);
        }
        x.fill(l.splat(0)); // the row may be a secret, and the memory goes back to the heap
        std::hint::black_box(&mut x);
    }
}

/// Some columns of a conversion: digits, their quotient, and the targets' residues.
struct Convert<'a> {
    conversion: &'a Conversion,
    tables: &'a [&'a Table],
    a: Vec<&'a [u32]>,
    outs: Vec<&'a mut [u32]>,
}

impl<L: Lanes> Kernel<L> for Convert<'_> {
    type Output = ();
    #[inline(always)]
    fn run(mut self, l: L) {
        let (c, n) = (self.conversion, self.outs.first().map_or(1, |out| out.len()));
        let mut words = vec![0; (self.a.len() + 1) * n];
        let (digits, quotient) = words.split_at_mut(self.a.len() * n);
        for (i, (digit, a)) in digits.chunks_exact_mut(n).zip(&self.a).enumerate() {
            Zip { q: c.sources()[i], op: Op::Mul, out: digit, a: Some(a), b: &[c.hat_inv(i)] }.run(l);
        }
        let digits: Vec<&[u32]> = digits.chunks_exact(n).collect();
        convert::quotient(l, &digits, c.sources(), quotient);
        let digits: Vec<&[u32]> = digits.into_iter().chain([&*quotient]).collect();
        let mut targets = Vec::with_capacity(self.tables.len());
        for (t, table) in self.tables.iter().enumerate() {
            let words = c.hats(t).iter().copied().chain([table.q.neg(c.modulus(t))]);
            targets.push(Target::new(l, table, words.map(|w| table.q.from_mont(w))));
        }
        for (targets, outs) in targets.chunks(TOGETHER).zip(self.outs.chunks_mut(TOGETHER)) {
            convert::product(l, &digits, targets, outs, Form::Canonical);
        }
    }
}

impl Cpu<'_> {
    /// Whether rows `over` of `x` are too few words to share among threads.
    pub(crate) fn is_small(&self, over: Basis, x: &Buf) -> bool {
        x.shape.count as usize * over.len() * x.shape.cols as usize <= SMALL
    }

    /// `f` of every row `over` of `out`.
    fn rows<'a>(&self, over: Basis, out: &'a mut Buf, f: impl Fn(Place, Modulus, &'a mut [u32]) + Sync + Send) {
        self.threads.each(self.is_small(over, out), rows_mut(out, over), |(p, out): RowMut<'a>| {
            f(p, self.ring.modulus(p.m), out)
        });
    }

    fn transform(&self, inverse: bool, over: Basis, a: &mut Buf) {
        let n = a.shape.cols as usize;
        self.threads.each(self.is_small(over, a), rows_mut(a, over), |(p, data)| {
            let table = &self.tables[p.m];
            if n >= SHORTEST {
                let mut row = self.pool.scratch(n);
                self.isa.run(Transform { table, inverse, data, row: &mut row });
            } else if inverse {
                limb::intt(table.q, self.ring.inv_twiddles(p.m), data);
            } else {
                limb::ntt(table.q, self.ring.twiddles(p.m), data);
            }
        });
    }
}

impl Backend for Cpu<'_> {
    type Buf = Words;

    fn ring(&self) -> Ring<'_> {
        self.ring
    }

    fn alloc(&mut self, shape: Shape) -> Result<Buf> {
        Ok(Limbs { buf: self.pool.take(shape.words())?, shape })
    }

    fn upload(&mut self, dst: &mut Buf, src: &[u32]) -> Result<()> {
        same_length(dst.buf.len(), src.len())?;
        let small = src.len() <= SMALL; // a key comes from a file: each thread meets its own fresh pages
        let tasks = dst.buf.chunks_mut(SMALL).zip(src.chunks(SMALL)).collect();
        self.threads.each(small, tasks, |(dst, src): (&mut [u32], _)| dst.copy_from_slice(src));
        Ok(())
    }

    fn adopt<W>(&mut self, shape: Shape, src: W) -> Result<Buf>
    where
        W: AsRef<[u32]> + Send + Sync + 'static,
    {
        same_length(shape.words(), src.as_ref().len())?;
        Ok(Limbs { buf: self.pool.hold(src), shape })
    }

    fn upload_signed(&mut self, dst: &mut Buf, coeffs: &[i64]) -> Result<()> {
        let Shape { count, basis, cols } = dst.shape;
        let cols = cols as usize;
        same_length(count as usize * cols, coeffs.len())?;
        let (mut low, mut high) = (self.pool.take(coeffs.len())?, self.pool.take(coeffs.len())?);
        rows::split(coeffs, &mut low, &mut high);
        self.rows(basis, dst, |p, q, out| {
            let at = p.item * cols..(p.item + 1) * cols;
            self.isa.run(Residues { q, out, low: &low[at.clone()], high: &high[at] });
        });
        Ok(())
    }

    fn upload_uniform(&mut self, dst: &mut Buf, seed: &Seed, stream: u64) -> Result<()> {
        self.rows(dst.shape.basis, dst, |p, q, out| {
            sample::uniform(q, seed, MAX_MODULI as u64 * (stream + p.item as u64) + p.m as u64, out);
        });
        Ok(())
    }

    fn download(&mut self, src: &Buf, dst: &mut [u32]) -> Result<()> {
        same_length(src.buf.len(), dst.len())?;
        dst.copy_from_slice(&src.buf);
        Ok(())
    }

    fn submit(&mut self) -> Result<()> {
        Ok(())
    }

    fn wipe(&mut self) -> Result<()> {
        self.pool.wipe();
        Ok(())
    }

    fn copy(&mut self, over: Basis, out: &mut Buf, a: &Buf) {
        self.rows(over, out, |p, _, out| out.copy_from_slice(row(a, p)));
    }

    fn zip(&mut self, op: Op, over: Basis, out: &mut Buf, a: &Buf, b: &Buf) {
        self.rows(over, out, |p, q, out| self.isa.run(Zip { q, op, out, a: Some(row(a, p)), b: row(b, p) }));
    }

    fn zip_assign(&mut self, op: Op, over: Basis, acc: &mut Buf, b: &Buf) {
        self.rows(over, acc, |p, q, out| self.isa.run(Zip { q, op, out, a: None, b: row(b, p) }));
    }

    fn mul_add(&mut self, over: Basis, acc: &mut Buf, a: &Buf, b: &Buf) {
        self.rows(over, acc, |p, q, out| {
            let b = Factor::new(row(b, p), out.len());
            self.isa.run(Dots { q, outs: vec![out], a: vec![row(a, p)], b: vec![b], accumulate: true });
        });
    }

    fn scalar(&mut self, op: Op, over: Basis, out: &mut Buf, a: &Buf, c: &[u32]) {
        self.rows(over, out, |p, q, out| {
            self.isa.run(Zip { q, op, out, a: Some(row(a, p)), b: &[c[over.row(p.m)]] });
        });
    }

    fn scalar_assign(&mut self, op: Op, over: Basis, acc: &mut Buf, c: &[u32]) {
        self.rows(over, acc, |p, q, out| self.isa.run(Zip { q, op, out, a: None, b: &[c[over.row(p.m)]] }));
    }

    fn ntt(&mut self, over: Basis, a: &mut Buf) {
        self.transform(false, over, a);
    }

    fn intt(&mut self, over: Basis, a: &mut Buf) {
        self.transform(true, over, a);
    }

    fn permute(&mut self, over: Basis, out: &mut Buf, a: &Buf, galois: u32) {
        let n = out.shape.cols as usize;
        if n < Plan::BLOCK {
            return self.rows(over, out, |p, _, out| limb::permute(galois, out, row(a, p)));
        }
        let plan = &Plan::new(galois, n);
        self.rows(over, out, |p, _, out| self.isa.run(Permute { out, a: row(a, p), plan, add: None }));
    }

    fn permute_add(&mut self, over: Basis, acc: &mut Buf, a: &Buf, galois: u32, _: &mut Workspace<Words>) {
        let n = acc.shape.cols as usize;
        if n < Plan::BLOCK {
            return self.rows(over, acc, |p, q, acc| {
                let mut words = vec![0; n];
                limb::permute(galois, &mut words, row(a, p));
                limb::zip_assign(q, Op::Add, acc, &words);
            });
        }
        let plan = &Plan::new(galois, n);
        self.rows(over, acc, |p, q, out| self.isa.run(Permute { out, a: row(a, p), plan, add: Some(q) }));
    }

    fn convert(&mut self, from: Basis, to: Basis, out: &mut Buf, a: &Buf) {
        let n = out.shape.cols as usize;
        let conversion = &Conversion::new(&self.ring, from, to);
        if n < SHORTEST {
            for (item, col) in (0..out.shape.count as usize).flat_map(|item| (0..n).map(move |col| (item, col))) {
                let x = |i| row(a, Place { item, m: from.prime_index(i) })[col];
                let at = out.shape;
                limb::convert(conversion, x, |t, word| out.buf[at.at(item, to.prime_index(t)) + col] = word);
            }
            return;
        }
        let tables: &Vec<_> = &to.iter().map(|m| &self.tables[m]).collect();
        // Tasks own the same columns of every target row.
        let columns = n.min(1024);
        let mut tasks: Vec<Convert<'_>> = Vec::new();
        for (r, (p, out)) in rows_mut(out, to).into_iter().enumerate() {
            for (c, out) in out.chunks_exact_mut(columns).enumerate() {
                if r % to.len() == 0 {
                    let part = |m| &row(a, Place { m, ..p })[c * columns..][..columns];
                    let outs = Vec::with_capacity(to.len());
                    tasks.push(Convert { conversion, tables, a: from.iter().map(part).collect(), outs });
                }
                tasks[p.item * (n / columns) + c].outs.push(out);
            }
        }
        self.threads.each(false, tasks, |task| self.isa.run(task));
    }

    fn dot(&mut self, over: Basis, out: &mut Buf, terms: &[Term<'_, Words>]) {
        self.rows(over, out, |p, q, out| {
            let b = terms.iter().map(|(_, b)| Factor::new(row(b, p), out.len())).collect();
            let a = terms.iter().map(|(a, _)| row(a, p)).collect();
            self.isa.run(Dots { q, outs: vec![out], a, b, accumulate: false });
        });
    }

    fn inner_products(&mut self, over: Basis, outs: &mut [Buf], a: &[&Buf], b: &[Option<&Buf>]) {
        self.shared_dots(over, outs, a, b);
    }

    fn tensor(&mut self, over: Basis, d: [&mut Buf; 3], a: [&Buf; 2], b: [&Buf; 2]) {
        let [d0, d1, d2] = d.map(|d| rows_mut(d, over));
        let rows = d0.into_iter().zip(d1).zip(d2).map(|(((p, d0), (_, d1)), (_, d2))| (p, [d0, d1, d2]));
        self.threads.each(false, rows.collect(), |(p, d)| {
            let (a, b) = (a.map(|a| row(a, p)), b.map(|b| row(b, p)));
            self.isa.run(Tensor { q: self.ring.modulus(p.m), d, a, b });
        });
    }

    fn mod_switch(&mut self, from: Basis, to: Basis, out: &mut Buf, a: &Buf, ws: &mut Workspace<Words>) {
        if (out.shape.cols as usize) < SHORTEST {
            return backend::mod_switch(self, from, to, out, a, ws);
        }
        self.fused_mod_switch(from, to, out, a);
    }

    fn workspace(&mut self, count: u16, digits: usize) -> Result<Workspace<Words>> {
        // The fused operations bring their own scratch, a part of every temporary at a time.
        let n = self.ring.n();
        let (count, digits) = if n < SHORTEST { (count, digits) } else { (0, 0) };
        Workspace::new(self, count, digits)
    }

    fn key_switch(
        &mut self,
        q: Basis,
        alpha: u16,
        d: &Buf,
        keys: &[&[Pair<Words>]],
        accs: &mut [Pair<Words>],
        ws: &mut Workspace<Words>,
    ) {
        if (d.shape.cols as usize) < SHORTEST {
            return backend::key_switch(self, q, alpha, d, keys, accs, ws);
        }
        self.fused_key_switch(q, alpha, d, keys, accs);
    }
}
