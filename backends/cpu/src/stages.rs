//! The stages of a transform between vectors: up to four at a time on vectors held in registers.
//!
//! A node of the transform's binary tree is numbered as its twiddle: the root is 1, the children of i are 2i and
//! 2i + 1.

use crate::{
    isa::Kernel,
    lanes::{Lanes, Twiddle},
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
    len: usize,
}

impl<L: Lanes> Kernel<L> for Inverse<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, _: L) {
        self.stages.run_inverse(self.x, self.root, self.done, self.len);
    }
}

/// The factors of the last four stages of a block of 16 words: one between its two vectors, words inside them.
pub type Factors<'a> = (&'a Twiddle, &'a [u32; 2], &'a [u32; 4], &'a [u32; 8]);

/// Those of the last four stages of `blocks` blocks from node `node` on.
pub fn tails<'a>(tree: &'a Tree, node: usize, blocks: usize) -> impl Iterator<Item = Factors<'a>> {
    let words = |each: usize| &tree.words[each * node..][..each * blocks];
    let inside = words(2).as_chunks().0.iter().zip(words(4).as_chunks().0).zip(words(8).as_chunks().0);
    tree.factors[node..][..blocks].iter().zip(inside).map(|(w, ((w2, w4), w8))| (w, w2, w4, w8))
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

    #[inline(always)]
    fn get<V: Copy>(self, x: &[V]) -> [V; 16] {
        let mut y = [x[self.at]; 16];
        for (k, y) in y.iter_mut().enumerate() {
            *y = x[self.i(k)];
        }
        y
    }

    #[inline(always)]
    fn set<V: Copy>(self, x: &mut [V], y: [V; 16]) {
        for (k, y) in y.into_iter().enumerate() {
            x[self.i(k)] = y;
        }
    }
}

impl<L: Lanes> Stages<'_, L> {
    #[inline(always)]
    fn run_forward(&self, x: &mut [L::V], root: usize) {
        let mut blocks = 1;
        while x.len() > 2 * blocks {
            let len = x.len() / blocks;
            let stages = (len / 2).trailing_zeros().min(4);
            for (b, x) in x.chunks_exact_mut(len).enumerate() {
                let (node, stride) = (root * blocks + b, len >> stages);
                for at in 0..stride {
                    let e = Every { at, stride };
                    match stages {
                        4 => e.set(x, self.forward_16(e.get(x), node)),
                        3 => self.forward_8(x, e, node),
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

    /// The inverse stages from blocks of `len` vectors up to node `root` over all of `x`; `done` stages came before
    /// in this pass.
    pub fn inverse(&self, x: &mut [L::V], root: usize, done: u32, len: usize) {
        self.l.call(Inverse { stages: self, x, root, done, len });
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
    fn forward_quad(&self, [a, b, c, d]: [L::V; 4], node: usize) -> [L::V; 4] {
        let w = self.factor(node);
        let ([a, c], [b, d]) = (self.l.forward(&self.q, a, c, w), self.l.forward(&self.q, b, d, w));
        let ([a, b], [c, d]) = (self.forward_2([a, b], 2 * node), self.forward_2([c, d], 2 * node + 1));
        [a, b, c, d]
    }

    #[inline(always)]
    fn forward_4(&self, x: &mut [L::V], e: Every, node: usize) {
        let y = self.forward_quad([x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]], node);
        [x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]] = y;
    }

    #[inline(always)]
    fn forward_8(&self, x: &mut [L::V], e: Every, node: usize) {
        let [a0, b0] = self.forward_2([x[e.i(0)], x[e.i(4)]], node);
        let [a1, b1] = self.forward_2([x[e.i(1)], x[e.i(5)]], node);
        let [a2, b2] = self.forward_2([x[e.i(2)], x[e.i(6)]], node);
        let [a3, b3] = self.forward_2([x[e.i(3)], x[e.i(7)]], node);
        [x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]] = self.forward_quad([a0, a1, a2, a3], 2 * node);
        [x[e.i(4)], x[e.i(5)], x[e.i(6)], x[e.i(7)]] = self.forward_quad([b0, b1, b2, b3], 2 * node + 1);
    }

    /// Four stages of 16 pairs of vectors.
    #[inline(always)]
    pub fn forward_pairs(&self, x: &mut [L::V], node: usize) {
        for at in 0..2 {
            let e = Every { at, stride: 2 };
            e.set(x, self.forward_16(e.get(x), node));
        }
    }

    /// Four stages of 16 vectors in registers.
    #[inline(always)]
    pub fn forward_16(&self, x: [L::V; 16], node: usize) -> [L::V; 16] {
        let [a0, b0, c0, d0] = self.forward_quad([x[0], x[4], x[8], x[12]], node);
        let [a1, b1, c1, d1] = self.forward_quad([x[1], x[5], x[9], x[13]], node);
        let [a2, b2, c2, d2] = self.forward_quad([x[2], x[6], x[10], x[14]], node);
        let [a3, b3, c3, d3] = self.forward_quad([x[3], x[7], x[11], x[15]], node);
        let [a0, a1, a2, a3] = self.forward_quad([a0, a1, a2, a3], 4 * node);
        let [b0, b1, b2, b3] = self.forward_quad([b0, b1, b2, b3], 4 * node + 1);
        let [c0, c1, c2, c3] = self.forward_quad([c0, c1, c2, c3], 4 * node + 2);
        let [d0, d1, d2, d3] = self.forward_quad([d0, d1, d2, d3], 4 * node + 3);
        [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
    }

    #[inline(always)]
    fn run_inverse(&self, x: &mut [L::V], root: usize, mut done: u32, mut len: usize) {
        while len < x.len() {
            let stages = (x.len() / len).trailing_zeros().min(3);
            let stride = len;
            len <<= stages;
            let blocks = x.len() / len;
            for (b, x) in x.chunks_exact_mut(len).enumerate() {
                let node = root * blocks + b;
                for at in 0..stride {
                    let e = Every { at, stride };
                    match stages {
                        3 => self.inverse_8(x, e, node, done),
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

    #[inline(always)]
    fn inverse_8(&self, x: &mut [L::V], e: Every, node: usize, done: u32) {
        let [a0, a1, a2, a3] = self.inverse_quad([x[e.i(0)], x[e.i(1)], x[e.i(2)], x[e.i(3)]], 2 * node, done);
        let [b0, b1, b2, b3] = self.inverse_quad([x[e.i(4)], x[e.i(5)], x[e.i(6)], x[e.i(7)]], 2 * node + 1, done);
        [x[e.i(0)], x[e.i(4)]] = self.inverse_2([a0, b0], node, done + 2);
        [x[e.i(1)], x[e.i(5)]] = self.inverse_2([a1, b1], node, done + 2);
        [x[e.i(2)], x[e.i(6)]] = self.inverse_2([a2, b2], node, done + 2);
        [x[e.i(3)], x[e.i(7)]] = self.inverse_2([a3, b3], node, done + 2);
    }

    /// The last four stages of a pass, on 16 groups of vectors: `done` came before, their results raised.
    #[inline(always)]
    pub fn inverse_columns(&self, x: &mut [L::V], node: usize, done: usize) {
        let stride = x.len() / 16;
        for at in 0..stride {
            let e = Every { at, stride };
            e.set(x, self.inverse_16(e.get(x), node, Position { done, after: None }));
        }
    }

    /// Four stages of 16 vectors in registers, raised as [`Position::level`] says.
    #[inline(always)]
    pub fn inverse_16(&self, x: [L::V; 16], node: usize, p: Position) -> [L::V; 16] {
        let n = 4 * node;
        let [a0, a1, a2, a3] = self.raised_quad([x[0], x[1], x[2], x[3]], n, p, 0, [0, 1, 2, 3]);
        let [b0, b1, b2, b3] = self.raised_quad([x[4], x[5], x[6], x[7]], n + 1, p, 0, [4, 5, 6, 7]);
        let [c0, c1, c2, c3] = self.raised_quad([x[8], x[9], x[10], x[11]], n + 2, p, 0, [8, 9, 10, 11]);
        let [d0, d1, d2, d3] = self.raised_quad([x[12], x[13], x[14], x[15]], n + 3, p, 0, [12, 13, 14, 15]);
        let [a0, b0, c0, d0] = self.raised_quad([a0, b0, c0, d0], node, p, 2, [0, 4, 8, 12]);
        let [a1, b1, c1, d1] = self.raised_quad([a1, b1, c1, d1], node, p, 2, [1, 5, 9, 13]);
        let [a2, b2, c2, d2] = self.raised_quad([a2, b2, c2, d2], node, p, 2, [2, 6, 10, 14]);
        let [a3, b3, c3, d3] = self.raised_quad([a3, b3, c3, d3], node, p, 2, [3, 7, 11, 15]);
        [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
    }

    /// Stages `stage` and `stage + 1` of four elements.
    #[inline(always)]
    fn raised_quad(&self, [a, b, c, d]: [L::V; 4], node: usize, p: Position, stage: usize, e: [usize; 4]) -> [L::V; 4] {
        let (l, q, root) = (self.l, &self.q, self.factor(node));
        let [a, b] = l.inverse_raised(q, a, b, self.factor(2 * node), p.level(stage, e[1]));
        let [c, d] = l.inverse_raised(q, c, d, self.factor(2 * node + 1), p.level(stage, e[3]));
        let [a, c] = l.inverse_raised(q, a, c, root, p.level(stage + 1, e[2]));
        let [b, d] = l.inverse_raised(q, b, d, root, p.level(stage + 1, e[3]));
        [a, b, c, d]
    }
}

/// Where in a pass four inverse stages stand.
#[derive(Clone, Copy)]
pub struct Position {
    /// Stages before them.
    pub done: usize,
    /// The index by which their elements go on through the four stages after them; none if they are the last.
    pub after: Option<usize>,
}

impl Position {
    /// How far to raise element `e` out of 16 when stage `stage` out of four has multiplied it. It is the first input
    /// of every following stage whose bit is 0 in its index, up to the first bit that is 1.
    #[inline(always)]
    fn level(self, stage: usize, e: usize) -> Option<usize> {
        let rest = e >> (stage + 1);
        match (rest, self.after) {
            (0, None) => (stage < 3).then_some(self.done + 3),
            (0, Some(after)) => Some(first_inputs(self.done + 3, after)),
            _ if rest & 1 == 1 => None,
            _ => Some(self.done + stage + rest.trailing_zeros() as usize),
        }
    }
}

/// The last stage in which an element of index `i` is a first input, if it is one up to stage `done` and its index
/// counts the four stages after.
#[inline(always)]
pub fn first_inputs(done: usize, i: usize) -> usize {
    done + (i | 16).trailing_zeros() as usize
}
