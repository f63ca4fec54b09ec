//! The portable backend: one thread, the caller's memory, no allocator, safe Rust. Every operation is a loop over rows
//! of the function with the same name in [`polyformer_kernel::ring::limb`]. The backend is therefore the executable
//! specification. The backend is also the backend for microcontrollers.
#![no_std]
#![forbid(unsafe_code)]

use core::{
    cell::{RefCell, RefMut},
    hint::black_box,
};
use polyformer_kernel::{
    Error, Result,
    backend::{Backend, Limbs, Op, Shape},
    error::same_length,
    math::modular::Modulus,
    ring::{
        Basis, MAX_MODULI, Ring,
        convert::Conversion,
        limb,
        sample::{self, Seed},
    },
};

/// A block of the caller's memory.
pub type Block<'m> = RefCell<&'m mut [u32]>;
/// A borrowed part of a block. A drop frees the block.
pub type Words<'p> = RefMut<'p, [u32]>;

/// A backend on the caller's blocks. Each buffer takes the smallest free block that is large enough.
#[derive(Debug)]
pub struct Scalar<'p, 'm> {
    ring: Ring<'p>,
    pool: &'p [Block<'m>],
}

impl<'p, 'm> Scalar<'p, 'm> {
    /// A backend over `pool`.
    pub fn new(ring: Ring<'p>, pool: &'p [Block<'m>]) -> Self {
        Self { ring, pool }
    }
}

type Buf<'p> = Limbs<Words<'p>>;

fn row<'a>(x: &'a Buf<'_>, item: usize, m: usize) -> &'a [u32] {
    &x.buf[x.shape.range(item, m)]
}

fn row_mut<'a>(x: &'a mut Buf<'_>, item: usize, m: usize) -> &'a mut [u32] {
    &mut x.buf[x.shape.range(item, m)]
}

/// `f(item, prime index, modulus)` for every row of `over` in every item.
fn rows(ring: &Ring<'_>, over: Basis, count: u16, mut f: impl FnMut(usize, usize, Modulus)) {
    for item in 0..count as usize {
        for m in over.iter() {
            f(item, m, ring.modulus(m));
        }
    }
}

impl<'p> Backend for Scalar<'p, '_> {
    type Buf = Words<'p>;

    fn ring(&self) -> Ring<'_> {
        self.ring
    }

    fn alloc(&mut self, shape: Shape) -> Result<Buf<'p>> {
        let words = shape.words();
        let free = self.pool.iter().filter_map(|b| b.try_borrow_mut().ok()).filter(|b| b.len() >= words);
        let buf = free.min_by_key(|b| b.len()).ok_or(Error::OutOfMemory { words })?;
        Ok(Limbs { buf: RefMut::map(buf, |b| &mut b[..words]), shape })
    }

    fn upload(&mut self, dst: &mut Buf<'p>, src: &[u32]) -> Result<()> {
        same_length(dst.buf.len(), src.len())?;
        dst.buf.copy_from_slice(src);
        Ok(())
    }

    fn upload_signed(&mut self, dst: &mut Buf<'p>, coeffs: &[i64]) -> Result<()> {
        let Shape { count, basis, cols } = dst.shape;
        let cols = cols as usize;
        same_length(count as usize * cols, coeffs.len())?;
        rows(&self.ring, basis, count, |item, m, q| {
            limb::residues(q, row_mut(dst, item, m), &coeffs[item * cols..][..cols]);
        });
        Ok(())
    }

    fn upload_uniform(&mut self, dst: &mut Buf<'p>, seed: &Seed, stream: u64) -> Result<()> {
        rows(&self.ring, dst.shape.basis, dst.shape.count, |item, m, q| {
            let stream = MAX_MODULI as u64 * (stream + item as u64) + m as u64;
            sample::uniform(q, seed, stream, row_mut(dst, item, m));
        });
        Ok(())
    }

    fn download(&mut self, src: &Buf<'p>, dst: &mut [u32]) -> Result<()> {
        same_length(src.buf.len(), dst.len())?;
        dst.copy_from_slice(&src.buf);
        Ok(())
    }

    fn submit(&mut self) -> Result<()> {
        Ok(())
    }

    fn wipe(&mut self) -> Result<()> {
        for mut block in self.pool.iter().filter_map(|block| block.try_borrow_mut().ok()) {
            block.fill(0);
            black_box(&mut **block); // the caller may free the block next
        }
        Ok(())
    }

    fn copy(&mut self, over: Basis, out: &mut Buf<'p>, a: &Buf<'p>) {
        rows(&self.ring, over, out.shape.count, |i, m, _| row_mut(out, i, m).copy_from_slice(row(a, i, m)));
    }

    fn zip(&mut self, op: Op, over: Basis, out: &mut Buf<'p>, a: &Buf<'p>, b: &Buf<'p>) {
        rows(&self.ring, over, out.shape.count, |i, m, q| {
            limb::zip(q, op, row_mut(out, i, m), row(a, i, m), row(b, i, m));
        });
    }

    fn zip_assign(&mut self, op: Op, over: Basis, acc: &mut Buf<'p>, b: &Buf<'p>) {
        rows(&self.ring, over, acc.shape.count, |i, m, q| limb::zip_assign(q, op, row_mut(acc, i, m), row(b, i, m)));
    }

    fn mul_add(&mut self, over: Basis, acc: &mut Buf<'p>, a: &Buf<'p>, b: &Buf<'p>) {
        rows(&self.ring, over, acc.shape.count, |i, m, q| {
            limb::mul_add(q, row_mut(acc, i, m), row(a, i, m), row(b, i, m));
        });
    }

    fn scalar(&mut self, op: Op, over: Basis, out: &mut Buf<'p>, a: &Buf<'p>, c: &[u32]) {
        rows(&self.ring, over, out.shape.count, |i, m, q| {
            limb::scalar(q, op, row_mut(out, i, m), row(a, i, m), c[over.row(m)]);
        });
    }

    fn scalar_assign(&mut self, op: Op, over: Basis, acc: &mut Buf<'p>, c: &[u32]) {
        rows(&self.ring, over, acc.shape.count, |i, m, q| {
            limb::zip_assign(q, op, row_mut(acc, i, m), &[c[over.row(m)]]);
        });
    }

    fn ntt(&mut self, over: Basis, a: &mut Buf<'p>) {
        let ring = self.ring;
        rows(&ring, over, a.shape.count, |i, m, q| limb::ntt(q, ring.twiddles(m), row_mut(a, i, m)));
    }

    fn intt(&mut self, over: Basis, a: &mut Buf<'p>) {
        let ring = self.ring;
        rows(&ring, over, a.shape.count, |i, m, q| limb::intt(q, ring.inv_twiddles(m), row_mut(a, i, m)));
    }

    fn permute(&mut self, over: Basis, out: &mut Buf<'p>, a: &Buf<'p>, galois: u32) {
        rows(&self.ring, over, out.shape.count, |i, m, _| limb::permute(galois, row_mut(out, i, m), row(a, i, m)));
    }

    fn convert(&mut self, from: Basis, to: Basis, out: &mut Buf<'p>, a: &Buf<'p>) {
        let c = Conversion::new(&self.ring, from, to);
        let (from_at, to_at) = (|item, i| a.shape.at(item, from.prime_index(i)), out.shape);
        for item in 0..out.shape.count as usize {
            for col in 0..out.shape.cols as usize {
                let x = |i| a.buf[from_at(item, i) + col];
                limb::convert(&c, x, |t, word| out.buf[to_at.at(item, to.prime_index(t)) + col] = word);
            }
        }
    }
}
