//! Laws of basis conversion, of switching moduli, and of key switching.

use super::{Build, EXHAUSTIVE, wider};
use crate::{
    chain::Chain,
    program::{Program, Step},
};
use polyformer_kernel::{
    backend::digit,
    ckks::keys::key_digits,
    ring::{Basis, convert::MAX_SOURCES},
};

/// Pairs (from, to). The sources are one prime, all rescaling primes, P, a full digit, and the most possible. The
/// targets are below, above and among the sources.
fn conversions(chain: &Chain) -> Vec<(Basis, Basis)> {
    let (params, k) = (&chain.params, chain.params.specials());
    let (line, full) = (params.modulus_chain(), chain.full());
    let last = params.modulus_chain().end as usize;
    let p = Basis::span(k as usize, k as usize).with(k);
    let front = Basis { end: params.base().start, ..line };
    let widest = Basis { end: line.end.min(line.start + MAX_SOURCES as u16), ..line };
    let mixed = Basis { start: line.start + 1, end: line.end.min(line.start + 3), specials: k.min(12) };
    let cases = vec![
        (Basis::span(last - 1, last), full),
        (front, Basis { start: front.end, ..full }),
        (p, line),
        (params.base(), full),
        (widest, Basis { start: widest.end, ..full }),
        (mixed, line),
        (digit(line, k, params.alpha().max(1), 0), p),
    ];
    let possible = |(from, to): &(Basis, Basis)| !from.is_empty() && !to.is_empty() && from.len() <= MAX_SOURCES;
    cases.into_iter().filter(possible).collect()
}

/// The representative nearest to 0, on the integers at the edges of centring.
pub fn conversions_lift_as_they_say(chain: &Chain) -> impl Iterator<Item = Program> {
    let n = chain.params.n();
    conversions(chain).into_iter().map(move |(from, to)| {
        let mut b = Build::new(chain, format!("conversion {from:?} -> {to:?}"));
        let (wide, narrow) = (b.edges(2, wider(chain, from), n), b.edges(1, from, n / 4));
        let (out, small) = (b.garbage(2, to, n), b.garbage(1, wider(chain, to), n / 4));
        b.step(Step::Convert { from, to, out, a: wide });
        b.step(Step::Convert { from, to, out: small, a: narrow });
        b.finish()
    })
}

/// The tested levels: the lowest, with all kinds of rational rescales, and the topmost.
pub(super) fn levels(chain: &Chain) -> Vec<u8> {
    let (top, highest) = (chain.params.max_message_level(), chain.params.max_level());
    let levels =
        if chain.params.n() <= EXHAUSTIVE { (0..=4).chain(top..=highest).collect() } else { vec![1, 3, highest] };
    let mut levels: Vec<u8> = levels.into_iter().filter(|l| *l <= highest).collect();
    levels.sort();
    levels.dedup();
    levels
}

/// Each digit of each level, from the front one that a level cuts short to the last, partial one.
pub fn a_digit_extends_to_every_modulus(chain: &Chain) -> impl Iterator<Item = Program> {
    let (params, n) = (&chain.params, chain.params.n());
    levels(chain).into_iter().filter(|_| params.specials() > 0).map(move |level| {
        let (q, over) = (params.q(level), params.pq(level));
        let mut b = Build::new(chain, format!("digits of level {level}"));
        let (a, coeff) = (b.value(1, wider(chain, q), n), b.garbage(1, q, n));
        b.step(Step::Copy { over: q, out: coeff, a });
        b.step(Step::Intt { over: q, a: coeff });
        for j in 0..params.digits() {
            let digit = digit(q, params.specials(), params.alpha(), j);
            if !digit.is_empty() {
                let out = b.garbage(1, over, n);
                b.step(Step::ModUp { digit, over, out, a, coeff });
            }
        }
        b.finish()
    })
}

/// Pairs (from, to) of a level: rescale (rational in a rational chain), division by P, and both at once.
pub(super) fn switches(chain: &Chain) -> Vec<(Basis, Basis)> {
    let (params, k) = (&chain.params, chain.params.specials());
    let mut pairs = Vec::new();
    for level in levels(chain) {
        let q = params.q(level);
        if level > 0 {
            let below = params.q(level - 1);
            pairs.extend([(q, below), (q.with(k), below)]);
        }
        pairs.push((q.with(k), q));
    }
    pairs.retain(|(from, to)| from != to); // without specials there is no P to divide by
    pairs.dedup();
    pairs
}

/// round(aR/D), operands just large enough or larger, one or two of them.
pub fn switching_moduli_rounds_to_nearest(chain: &Chain) -> impl Iterator<Item = Program> {
    let n = chain.params.n();
    switches(chain).into_iter().map(move |(from, to)| {
        let mut b = Build::new(chain, format!("{from:?} to {to:?}"));
        for (count, roomy) in [(2, true), (1, false)] {
            let room = |basis: Basis| if roomy { wider(chain, basis) } else { basis };
            let (a, out) = (b.edges(count, room(from), n), b.garbage(count, room(to), n));
            b.step(Step::Ntt { over: from, a });
            b.step(Step::ModSwitch { from, to, out, a });
        }
        b.finish()
    })
}

/// Two hoisted keys, and a batch of two. Keys of one item, of all digits or of the level's digits. Accumulators of the
/// exact size or larger.
pub fn key_switches_sum_over_digits(chain: &Chain) -> impl Iterator<Item = Program> {
    let (params, n, full) = (&chain.params, chain.params.n(), chain.full());
    let small = n <= EXHAUSTIVE;
    levels(chain).into_iter().filter(|_| params.specials() > 0).map(move |level| {
        let mut b = Build::new(chain, format!("key switch at level {level}"));
        let (q, pq) = (params.q(level), params.pq(level));
        let (alpha, digits) = (params.alpha(), params.digits());
        let made = if level % 2 == 0 { digits } else { key_digits(params, level) }; // keys made for the level
        let count = if small || level == 1 { 2 } else { 1 };
        let d = b.value(count, if small { params.modulus_chain() } else { q }, n);
        let mut keys = Vec::new();
        let mut accs = Vec::new();
        for _ in 0..count {
            let rows = if small { full } else { pq };
            keys.push((0..made).map(|_| [b.value(1, rows, n), b.value(1, rows, n)]).collect());
            accs.push([b.garbage(count, pq, n), b.garbage(count, rows, n)]);
        }
        b.step(Step::KeySwitch { q, alpha, digits, d, keys, accs });
        b.finish()
    })
}
