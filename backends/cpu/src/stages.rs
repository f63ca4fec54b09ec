//! The stages of a transform between vectors: up to four stages at a time on vectors in registers.
//!
//! A node of the transform's binary tree has the number of its twiddle factor. The root is 1. The children of i are 2i
//! and 2i + 1.

use crate::{
    lanes::{Kernel, Lanes, Twiddle},
    tables::Tree,
};

/// The lanes, a modulus and the factors of one direction.
pub struct Stages<'a, L: Lanes> {
    /// Instruction set.
    pub l: L,
    /// Constants of the modulus.
    pub q: L::Q,
    /// Factors by node.
    pub tree: &'a Tree,
}

struct Forward<'a, L: Lanes> {
    stages: &'a Stages<'a, L>,
    x: &'a mut [L::V],
    root: usize,
}

impl<L: Lanes> Kernel<L> for Forward<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, _: L) {
        self.stages.run_forward(self.x, self.root);
    }
}

struct Inverse<'a, L: Lanes> {
    stages: &'a Stages<'a, L>,
    x: &'a mut [L::V],
    root: usize,
    done: u32,
}

impl<L: Lanes> Kernel<L> for Inverse<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, _: L) {
        self.stages.run_inverse(self.x, self.root, self.done);
    }
}

/// The factors of the last four stages of blocks of 16 words: one between the two vectors of a block, words inside
/// them.
#[derive(Clone, Copy)]
pub struct Tails<'a> {
    w: &'a [Twiddle],
    w2: &'a [[u32; 2]],
    w4: &'a [[u32; 4]],
    w8: &'a [[u32; 8]],
}

/// The factors of one block.
pub type Tail<'a> = (&'a Twiddle, &'a [u32; 2], &'a [u32; 4], &'a [u32; 8]);

impl<'a> Tails<'a> {
    /// Of `blocks` blocks from node `node` on.
    #[inline(always)]
    pub fn new(tree: &'a Tree, node: usize, blocks: usize) -> Self {
        let words = |each: usize| &tree.words[each * node..][..each * blocks];
        Self {
            w: &tree.factors[node..][..blocks],
            w2: words(2).as_chunks().0,
            w4: words(4).as_chunks().0,
            w8: words(8).as_chunks().0,
        }
    }

    /// Block `p`.
    #[inline(always)]
    pub fn of(self, p: usize) -> Tail<'a> {
        (&self.w[p], &self.w2[p], &self.w4[p], &self.w8[p])
    }
}

/// The factors of four stages: of a node, its children, theirs, and theirs.
type Four<'a> = (&'a Twiddle, &'a [Twiddle; 2], &'a [Twiddle; 4], &'a [Twiddle; 8]);

/// The factors of node `node`.
#[inline(always)]
fn four(tree: &[Twiddle], node: usize) -> Four<'_> {
    let (two, four, eight) = (&tree[2 * node..], &tree[4 * node..], &tree[8 * node..]);
    (&tree[node], &two.as_chunks().0[0], &four.as_chunks().0[0], &eight.as_chunks().0[0])
}

/// Equally spaced vectors of a scratch.
#[derive(Clone, Copy)]
struct Every {
    at: usize,
    stride: usize,
}

impl Every {
    #[inline(always)]
    fn i(self, k: usize) -> usize {
        self.at + k * self.stride
    }
}

impl<L: Lanes> Stages<'_, L> {
    #[inline(always)]
    fn run_forward(&self, x: &mut [L::V], root: usize) {
        let mut blocks = 1;
        while x.len() > 2 * blocks {
            let len = x.len() / blocks;
            let stages = (len / 2).trailing_zeros().min(2);
            for (b, x) in x.chunks_exact_mut(len).enumerate() {
                let (node, stride) = (root * blocks + b, len >> stages);
                for at in 0..stride {
                    let e = Every { at, stride };
                    match stages {
                        2 => self.forward_4(x, e, node),
                        _ => [x[at], x[e.i(1)]] = self.forward_2([x[at], x[e.i(1)]], node),
                    }
                }
            }
            blocks <<= stages;
        }
    }

    /// The forward stages of node `root` over all of `x`, down to blocks of two vectors.
    pub fn forward(&self, x: &mut [L::V], root: usize) {
        self.l.call(Forward { stages: self, x, root });
    }

    /// The inverse stages from blocks of two vectors up to node `root` over all of `x`; `done` stages came before
    /// in this pass.
    pub fn inverse(&self, x: &mut [L::V], root: usize, done: u32) {
        self.l.call(Inverse { stages: self, x, root, done });
    }

    #[inline(always)]
    fn factor(&self, node: usize) -> L::W {
        self.l.factor(&self.tree.factors[node])
    }

    /// One stage.
    #[inline(always)]
    pub fn forward_2(&self, [a, b]: [L::V; 2], node: usize) -> [L::V; 2] {
        self.l.forward(&self.q, a, b, self.factor(node))
    }

    #[inline(always)]
    fn forward_quad(&self, [a, b, c, d]: [L::V; 4], w1: &Twiddle, w2: &[Twiddle]) -> [L::V; 4] {
        let (l, q, w) = (self.l, &self.q, self.l.factor(w1));
        let ([a, c], [b, d]) = (l.forward(q, a, c, w), l.forward(q, b, d, w));
        let ([a, b], [c, d]) = (l.forward(q, a, b, l.factor(&w2[0])), l.forward(q, c, d, l.factor(&w2[1])));
        [a, b, c, d]
    }

    /// The factor of a node, and the factors of its children.
    #[inline(always)]
    fn two(&self, node: usize) -> (&Twiddle, &[Twiddle]) {
        (&self.tree.factors[node], &self.tree.factors[2 * node..][..2])
    }

    #[inline(always)]
    fn forward_4(&self, x: &mut [L::V], e: Every, node: usize) {
        let (w1, w2) = self.two(node);
        let y = self.forward_quad([x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]], w1, w2);
        [x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]] = y;
    }

    /// Four stages of 16 pairs of vectors.
    #[inline(always)]
    pub fn forward_pairs(&self, x: &mut [L::V; 32], node: usize) {
        for half in 0..2 {
            let mut y = [x[0]; 16];
            for (k, y) in y.iter_mut().enumerate() {
                *y = x[2 * k + half];
            }
            let y = self.forward_16(y, node);
            for (k, y) in y.into_iter().enumerate() {
                x[2 * k + half] = y;
            }
        }
    }

    /// Four stages of 16 vectors in registers.
    #[inline(always)]
    pub fn forward_16(&self, x: [L::V; 16], node: usize) -> [L::V; 16] {
        let (w1, w2, w4, w8) = four(&self.tree.factors, node);
        let [a0, b0, c0, d0] = self.forward_quad([x[0], x[4], x[8], x[12]], w1, w2);
        let [a1, b1, c1, d1] = self.forward_quad([x[1], x[5], x[9], x[13]], w1, w2);
        let [a2, b2, c2, d2] = self.forward_quad([x[2], x[6], x[10], x[14]], w1, w2);
        let [a3, b3, c3, d3] = self.forward_quad([x[3], x[7], x[11], x[15]], w1, w2);
        let [a0, a1, a2, a3] = self.forward_quad([a0, a1, a2, a3], &w4[0], &w8[..2]);
        let [b0, b1, b2, b3] = self.forward_quad([b0, b1, b2, b3], &w4[1], &w8[2..4]);
        let [c0, c1, c2, c3] = self.forward_quad([c0, c1, c2, c3], &w4[2], &w8[4..6]);
        let [d0, d1, d2, d3] = self.forward_quad([d0, d1, d2, d3], &w4[3], &w8[6..]);
        [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
    }

    #[inline(always)]
    fn run_inverse(&self, x: &mut [L::V], root: usize, mut done: u32) {
        let mut len = 2;
        while len < x.len() {
            let stages = (x.len() / len).trailing_zeros().min(2);
            let stride = len;
            len <<= stages;
            let blocks = x.len() / len;
            for (b, x) in x.chunks_exact_mut(len).enumerate() {
                let node = root * blocks + b;
                for at in 0..stride {
                    let e = Every { at, stride };
                    match stages {
                        2 => self.inverse_4(x, e, node, done),
                        _ => [x[at], x[e.i(1)]] = self.inverse_2([x[at], x[e.i(1)]], node, done),
                    }
                }
            }
            done += stages;
        }
    }

    /// One stage.
    #[inline(always)]
    pub fn inverse_2(&self, [a, b]: [L::V; 2], node: usize, done: u32) -> [L::V; 2] {
        self.l.inverse(&self.q, a, b, self.factor(node), done)
    }

    #[inline(always)]
    fn inverse_quad(&self, [a, b, c, d]: [L::V; 4], node: usize, done: u32) -> [L::V; 4] {
        let ([a, b], [c, d]) = (self.inverse_2([a, b], 2 * node, done), self.inverse_2([c, d], 2 * node + 1, done));
        let w = self.factor(node);
        let [a, c] = self.l.inverse(&self.q, a, c, w, done + 1);
        let [b, d] = self.l.inverse(&self.q, b, d, w, done + 1);
        [a, b, c, d]
    }

    #[inline(always)]
    fn inverse_4(&self, x: &mut [L::V], e: Every, node: usize, done: u32) {
        let y = self.inverse_quad([x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]], node, done);
        [x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]] = y;
    }

    /// Four stages of 16 vectors in registers, raised as `p` says; `root` is the factor of the last.
    #[inline(always)]
    pub fn inverse_16(&self, x: [L::V; 16], node: usize, root: &Twiddle, p: Position<L::V>) -> [L::V; 16] {
        let (_, w2, w4, w8) = four(&self.tree.factors, node);
        let [a0, a1, a2, a3] = self.raised_quad([x[0], x[1], x[2], x[3]], &w4[0], &w8[..2], p, 0, [0, 1, 2, 3]);
        let [b0, b1, b2, b3] = self.raised_quad([x[4], x[5], x[6], x[7]], &w4[1], &w8[2..4], p, 0, [4, 5, 6, 7]);
        let [c0, c1, c2, c3] = self.raised_quad([x[8], x[9], x[10], x[11]], &w4[2], &w8[4..6], p, 0, [8, 9, 10, 11]);
        let [d0, d1, d2, d3] = self.raised_quad([x[12], x[13], x[14], x[15]], &w4[3], &w8[6..], p, 0, [12, 13, 14, 15]);
        let [a0, b0, c0, d0] = self.raised_quad([a0, b0, c0, d0], root, w2, p, 2, [0, 4, 8, 12]);
        let [a1, b1, c1, d1] = self.raised_quad([a1, b1, c1, d1], root, w2, p, 2, [1, 5, 9, 13]);
        let [a2, b2, c2, d2] = self.raised_quad([a2, b2, c2, d2], root, w2, p, 2, [2, 6, 10, 14]);
        let [a3, b3, c3, d3] = self.raised_quad([a3, b3, c3, d3], root, w2, p, 2, [3, 7, 11, 15]);
        [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
    }

    /// The multiple of q for element `e` of 16 after stage `stage` of four. The element is the first input of every
    /// following stage whose bit is 0 in its index, up to the first bit 1.
    #[inline(always)]
    fn raised(&self, p: Position<L::V>, stage: usize, e: usize) -> L::V {
        let rest = e >> (stage + 1);
        match rest {
            0 if stage == 3 => p.end,
            0 => p.far,
            _ if rest & 1 == 1 => self.l.raised(&self.q, None),
            _ => self.l.raised(&self.q, Some(p.done + stage + rest.trailing_zeros() as usize)),
        }
    }

    /// Stages `stage` and `stage + 1` of elements `e`.
    #[inline(always)]
    fn raised_quad(
        &self,
        [a, b, c, d]: [L::V; 4],
        w1: &Twiddle,
        w2: &[Twiddle],
        p: Position<L::V>,
        stage: usize,
        e: [usize; 4],
    ) -> [L::V; 4] {
        let (l, q, root) = (self.l, &self.q, self.l.factor(w1));
        let [a, b] = l.inverse_raised(q, a, b, l.factor(&w2[0]), self.raised(p, stage, e[1]));
        let [c, d] = l.inverse_raised(q, c, d, l.factor(&w2[1]), self.raised(p, stage, e[3]));
        let [a, c] = l.inverse_raised(q, a, c, root, self.raised(p, stage + 1, e[2]));
        let [b, d] = l.inverse_raised(q, b, d, root, self.raised(p, stage + 1, e[3]));
        [a, b, c, d]
    }
}

/// The multiples of q for the results of four inverse stages.
#[derive(Clone, Copy)]
pub struct Position<V> {
    /// Stages before them.
    pub done: usize,
    /// The raise of an element that is a first input in all that follow of the four stages.
    pub far: V,
    /// The raise of an element that the last of them multiplied.
    pub end: V,
}

/// The last stage in which an element of index `i` is a first input, up to stage `done`. The index counts the four
/// stages after.
#[inline(always)]
pub fn first_inputs(done: usize, i: usize) -> usize {
    done + (i | 16).trailing_zeros() as usize
}
