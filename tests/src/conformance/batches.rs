//! Laws of the methods that switch several operands at once.

use super::{
    Build, EXHAUSTIVE, ORACLE,
    moduli::{levels, switches},
    wider,
};
use crate::{
    chain::Chain,
    program::{KeyedAutomorphism, Program, Reg, Step},
};
use polyformer_kernel::ckks::keys::key_digits;

/// Three operands that lie in different shapes, some of two items.
pub fn batches_switch_as_one_by_one(chain: &Chain) -> impl Iterator<Item = Program> {
    let (n, few) = (chain.params.n(), chain.params.n() > EXHAUSTIVE);
    switches(chain).into_iter().step_by(if few { 3 } else { 1 }).map(move |(from, to)| {
        let mut b = Build::new(chain, format!("batches from {from:?} to {to:?}"));
        for count in [1, 2] {
            let a: Vec<Reg> = [from, wider(chain, from), from].map(|basis| b.edges(count, basis, n)).into();
            let outs = [wider(chain, to), to, to].map(|basis| b.garbage(count, basis, n)).into();
            a.iter().for_each(|a| b.step(Step::Ntt { over: from, a: *a }));
            b.step(Step::ModSwitches { from, to, outs, a });
        }
        b.finish()
    })
}

/// The levels and counts at which keys are tried.
fn cases(chain: &Chain) -> impl Iterator<Item = (u8, u16)> {
    let n = chain.params.n();
    let mut levels = levels(chain);
    if n > ORACLE {
        levels = vec![chain.params.max_level()];
    }
    levels.retain(|_| chain.params.specials() > 0);
    levels.into_iter().map(move |level| (level, if n <= EXHAUSTIVE || level == 1 { 2 } else { 1 }))
}

/// A key for each of these Galois elements.
fn automorphisms(b: &mut Build<'_>, chain: &Chain, level: u8, galois: &[u32]) -> Vec<KeyedAutomorphism> {
    let (params, n) = (&chain.params, chain.params.n());
    let basis = if n <= EXHAUSTIVE { chain.full() } else { params.pq(level) };
    let made = if level.is_multiple_of(2) { params.digits() } else { key_digits(params, level) };
    let mut automorphism = |g: &u32| (*g, (0..made).map(|_| [b.value(1, basis, n), b.value(1, basis, n)]).collect());
    galois.iter().map(&mut automorphism).collect()
}

/// No addend, an addend of one half, and of both halves; no rotation, and rotations in both directions.
pub fn rotations_share_their_digits(chain: &Chain) -> impl Iterator<Item = Program> {
    let (params, n) = (&chain.params, chain.params.n());
    cases(chain).enumerate().flat_map(move |(i, (level, count))| {
        let (q, pq) = (params.q(level), params.pq(level));
        let all = [(1, [true, true]), (0, [true, false]), (2, [false, false])];
        let wanted = all.into_iter().cycle().skip(i).take(if n > ORACLE { 1 } else { 3 });
        wanted.map(move |(kind, halves)| {
            let mut b = Build::new(chain, format!("rotations at level {level}, {halves:?}"));
            let galois = [vec![5, 2 * n as u32 - 1, 25], vec![1], vec![25, 1]][kind].clone();
            let automorphisms = automorphisms(&mut b, chain, level, &galois);
            let d = b.value(count, wider(chain, q), n);
            let add = halves.map(|half| half.then(|| b.value(count, q, n)));
            let outs = galois.iter().map(|_| [b.garbage(count, pq, n), b.garbage(count, pq, n)]);
            let outs = outs.collect();
            let (alpha, digits) = (params.alpha(), params.digits());
            b.step(Step::KeySwitchAdd { q, alpha, digits, source: (d, add), automorphisms, outs });
            b.finish()
        })
    })
}

/// Each giant step with its own key, onto an old sum and onto a fresh sum.
pub fn giant_steps_add_up(chain: &Chain) -> impl Iterator<Item = Program> {
    let (params, n) = (&chain.params, chain.params.n());
    cases(chain).enumerate().map(move |(i, (level, count))| {
        let mut b = Build::new(chain, format!("giant steps at level {level}"));
        let (q, pq) = (params.q(level), params.pq(level));
        let (alpha, digits) = (params.alpha(), params.digits());
        let few = if n > ORACLE { 2 } else { 5 };
        let galois = [5, 2 * n as u32 - 1, 1, 25, 125].map(|g| g % (2 * n as u32));
        let automorphisms = automorphisms(&mut b, chain, level, &galois[..few]);
        let giant_steps = automorphisms.into_iter().map(|automorphism| {
            let wide = automorphism.0 == 25;
            let basis = if wide { wider(chain, pq) } else { pq };
            ([b.edges(count, pq, n), b.edges(count, basis, n)], automorphism)
        });
        let giant_steps = giant_steps.collect();
        let sum = [b.value(count, pq, n), b.value(count, wider(chain, pq), n)];
        b.step(Step::GiantSteps { q, alpha, digits, giant_steps, sum, fresh: i % 2 == 1 });
        b.finish()
    })
}
