//! Times the transform of one limb of 2^16 words modulo a 30-bit prime, and `prime32::Plan` of tfhe-ntt.
//!
//! Ours takes integers to Montgomery form on the way in and out of it on the way back; theirs has its `normalize`
//! after the inverse. Both end in [0, q).

use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::{
    backend::{Backend, Limbs, Shape},
    ring::Basis,
};
use peers::{Duel, Result, b16, head, pin, seconds};
use std::time::Duration;
use tfhe_ntt::prime32::Plan;

const PRIMES: usize = 24;
const HOT: usize = 16; // transforms of one limb a round, after one that brings it back into the cache
const BUDGET: Duration = Duration::from_secs(4); // a row

fn main() -> Result<()> {
    let processor = pin()?;
    let (params, twiddles) = b16()?;
    let ring = params.ring(&twiddles)?;
    let n = ring.n();
    let first = params.base().start.into(); // a prime close to 2^30; those below it are terminals, of 20 bits
    let mut be = Cpu::with(ring, Isa::detect(), 1);
    let primes: Vec<u32> = be.ring().moduli()[first..first + PRIMES].iter().map(|q| q.q()).collect();
    let plans: Vec<Plan> = primes.iter().filter_map(|q| Plan::try_new(n, *q)).collect();
    if plans.len() != PRIMES || !plans.iter().all(Plan::can_use_fast_reduction_code) {
        return Err("a prime that tfhe-ntt has no fast plan for".into());
    }
    let all = Basis::span(first, first + PRIMES);
    let mut x = be.alloc(Shape { count: 1, basis: all, cols: n as u32 })?;
    be.upload_uniform(&mut x, &[1; 32], 0)?;
    let mut y = vec![0; PRIMES * n];
    be.download(&x, &mut y)?;
    check(&mut be, &mut x, &mut y, &plans)?;

    eprintln!("processor {processor}, {}", be.isa().name());
    println!("{}", head("tfhe-ntt 0.7", "µs a limb"));
    let one = Basis::span(first, first + 1);
    let row = |name: &str, duel: Duel| println!("{}", duel.row(name, 1e-6));
    type Ours<'r> = fn(&mut Cpu<'r>, Basis, &mut Limbs<<Cpu<'r> as Backend>::Buf>);
    type Theirs = fn(&Plan, &mut [u32]);
    let directions: [(&str, Ours<'_>, Theirs); 2] = [
        ("forward", |be, over, x| be.ntt(over, x), |plan, y| plan.fwd(y)),
        ("inverse", |be, over, x| be.intt(over, x), inverse),
    ];
    for (name, ours, theirs) in directions {
        let hot = Duel::fight(
            50,
            BUDGET,
            || {
                ours(&mut be, one, &mut x);
                Ok(seconds(|| Ok((0..HOT).for_each(|_| ours(&mut be, one, &mut x))))? / HOT as f64)
            },
            || {
                let y = &mut y[..n];
                theirs(&plans[0], y);
                Ok(seconds(|| Ok((0..HOT).for_each(|_| theirs(&plans[0], y))))? / HOT as f64)
            },
        )?;
        row(&format!("{name}, hot"), hot);
        let streaming = Duel::fight(
            50,
            BUDGET,
            || Ok(seconds(|| Ok(ours(&mut be, all, &mut x)))? / PRIMES as f64),
            || {
                let limbs = plans.iter().zip(y.chunks_exact_mut(n));
                Ok(seconds(|| Ok(limbs.for_each(|(plan, y)| theirs(plan, y))))? / PRIMES as f64)
            },
        )?;
        row(&format!("{name}, over {PRIMES} primes"), streaming);
    }
    Ok(())
}

fn inverse(plan: &Plan, y: &mut [u32]) {
    plan.inv(y);
    plan.normalize(y);
}

/// Both compute the transform: the values at the roots are the same set, and each inverse undoes its forward.
fn check<'r>(be: &mut Cpu<'r>, x: &mut Limbs<<Cpu<'r> as Backend>::Buf>, y: &mut [u32], plans: &[Plan]) -> Result<()> {
    let (n, before, mut words) = (be.ring().n(), y.to_vec(), y.to_vec());
    let over = x.shape.basis;
    be.ntt(over, x);
    be.download(x, &mut words)?;
    for ((plan, y), words) in plans.iter().zip(y.chunks_exact_mut(n)).zip(words.chunks_exact_mut(n)) {
        plan.fwd(y);
        let q = u64::from(plan.modulus());
        let half = q.div_ceil(2);
        let unit = (0..32).fold(1, |r, _| r * half % q); // 2^-32: out of Montgomery form
        words.iter_mut().for_each(|w| *w = (u64::from(*w) * unit % q) as u32);
        let mut values = y.to_vec();
        values.sort_unstable();
        words.sort_unstable();
        if values != *words {
            return Err(format!("different transforms modulo {q}").into());
        }
        inverse(plan, y);
    }
    be.intt(over, x);
    be.download(x, &mut words)?;
    if words == before && y == before { Ok(()) } else { Err("an inverse that does not undo its forward".into()) }
}
