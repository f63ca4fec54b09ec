//! The steps of a program, and what each step calls.

use super::registers::{File, Reg};
use polyformer_kernel::{
    Result,
    backend::{Backend, GiantStep, Limbs, Op, Pair, Source, mod_up},
    ring::{Basis, sample::Seed},
};

/// One call of one method of [`Backend`]; the fields are its arguments.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Step {
    UploadSigned {
        out: Reg,
        coeffs: Vec<i64>,
    },
    UploadUniform {
        out: Reg,
        seed: Seed,
        stream: u64,
    },
    Copy {
        over: Basis,
        out: Reg,
        a: Reg,
    },
    Zip {
        op: Op,
        over: Basis,
        out: Reg,
        a: Reg,
        b: Reg,
    },
    ZipAssign {
        op: Op,
        over: Basis,
        acc: Reg,
        b: Reg,
    },
    MulAdd {
        over: Basis,
        acc: Reg,
        a: Reg,
        b: Reg,
    },
    Scalar {
        op: Op,
        over: Basis,
        out: Reg,
        a: Reg,
        c: Vec<u32>,
    },
    ScalarAssign {
        op: Op,
        over: Basis,
        acc: Reg,
        c: Vec<u32>,
    },
    Ntt {
        over: Basis,
        a: Reg,
    },
    Intt {
        over: Basis,
        a: Reg,
    },
    Permute {
        over: Basis,
        out: Reg,
        a: Reg,
        galois: u32,
    },
    Convert {
        from: Basis,
        to: Basis,
        out: Reg,
        a: Reg,
    },
    Dot {
        over: Basis,
        out: Reg,
        terms: Vec<(Reg, Reg)>,
    },
    Dots {
        over: Basis,
        outs: Vec<Reg>,
        a: Vec<Reg>,
        b: Vec<Option<Reg>>,
    },
    PermuteAdd {
        over: Basis,
        acc: Reg,
        a: Reg,
        galois: u32,
    },
    Tensor {
        over: Basis,
        out: [Reg; 3],
        a: [Reg; 2],
        b: [Reg; 2],
    },
    ModUp {
        digit: Basis,
        over: Basis,
        out: Reg,
        a: Reg,
        coeff: Reg,
    },
    ModSwitch {
        from: Basis,
        to: Basis,
        out: Reg,
        a: Reg,
    },
    ModSwitches {
        from: Basis,
        to: Basis,
        outs: Vec<Reg>,
        a: Vec<Reg>,
    },
    KeySwitch {
        q: Basis,
        alpha: u16,
        digits: usize,
        d: Reg,
        keys: Vec<Vec<[Reg; 2]>>,
        accs: Vec<[Reg; 2]>,
    },
    KeySwitchAdd {
        q: Basis,
        alpha: u16,
        digits: usize,
        source: (Reg, [Option<Reg>; 2]),
        automorphisms: Vec<KeyedAutomorphism>,
        outs: Vec<[Reg; 2]>,
    },
    GiantSteps {
        q: Basis,
        alpha: u16,
        digits: usize,
        giant_steps: Vec<([Reg; 2], KeyedAutomorphism)>,
        sum: [Reg; 2],
        fresh: bool,
    },
}

/// A Galois element and its key, a pair a digit.
pub type KeyedAutomorphism = (u32, Vec<[Reg; 2]>);

/// Calls the method of the step on the registers.
///
/// # Errors
/// Those of the method.
pub fn call<B: Backend>(file: &mut File<B::Buf>, be: &mut B, step: &Step) -> Result<()> {
    match *step {
        Step::UploadSigned { out, ref coeffs } => return file.write(out, |_, out| be.upload_signed(out, coeffs)),
        Step::UploadUniform { out, ref seed, stream } => {
            return file.write(out, |_, out| be.upload_uniform(out, seed, stream));
        }
        Step::Copy { over, out, a } => file.write(out, |f, out| be.copy(over, out, f.get(a))),
        Step::Zip { op, over, out, a, b } => {
            file.write(out, |f, out| be.zip(op, over, out, f.get(a), f.get(b)));
        }
        Step::ZipAssign { op, over, acc, b } => file.write(acc, |f, acc| be.zip_assign(op, over, acc, f.get(b))),
        Step::MulAdd { over, acc, a, b } => {
            file.write(acc, |f, acc| be.mul_add(over, acc, f.get(a), f.get(b)));
        }
        Step::Scalar { op, over, out, a, ref c } => {
            file.write(out, |f, out| be.scalar(op, over, out, f.get(a), c));
        }
        Step::ScalarAssign { op, over, acc, ref c } => {
            file.write(acc, |_, acc| be.scalar_assign(op, over, acc, c));
        }
        Step::Ntt { over, a } => file.write(a, |_, a| be.ntt(over, a)),
        Step::Intt { over, a } => file.write(a, |_, a| be.intt(over, a)),
        Step::Permute { over, out, a, galois } => {
            file.write(out, |f, out| be.permute(over, out, f.get(a), galois));
        }
        Step::Convert { from, to, out, a } => file.write(out, |f, out| be.convert(from, to, out, f.get(a))),
        Step::Dot { over, out, ref terms } => file.write(out, |f, out| {
            let terms: Vec<_> = terms.iter().map(|(a, b)| (f.get(*a), f.get(*b))).collect();
            be.dot(over, out, &terms);
        }),
        Step::Dots { over, ref outs, ref a, ref b } => {
            let mut sums: Vec<Limbs<B::Buf>> = outs.iter().map(|reg| file.take(*reg)).collect();
            let a: Vec<&Limbs<B::Buf>> = a.iter().map(|reg| file.get(*reg)).collect();
            let b: Vec<Option<&Limbs<B::Buf>>> = b.iter().map(|reg| reg.map(|reg| file.get(reg))).collect();
            be.inner_products(over, &mut sums, &a, &b);
            outs.iter().zip(sums).for_each(|(reg, sum)| file.put(*reg, sum));
        }
        Step::PermuteAdd { over, acc, a, galois } => {
            let mut ws = be.workspace(file.get(acc).shape.count, 0)?;
            file.write(acc, |f, acc| be.permute_add(over, acc, f.get(a), galois, &mut ws));
        }
        Step::Tensor { over, out, a, b } => {
            let mut d = out.map(|reg| file.take(reg));
            let [d0, d1, d2] = &mut d;
            be.tensor(over, [d0, d1, d2], a.map(|r| file.get(r)), b.map(|r| file.get(r)));
            out.into_iter().zip(d).for_each(|(reg, d)| file.put(reg, d));
        }
        Step::ModUp { digit, over, out, a, coeff } => {
            file.write(out, |f, out| mod_up(be, digit, over, out, f.get(a), f.get(coeff)));
        }
        Step::ModSwitch { from, to, out, a } => {
            let mut ws = be.workspace(file.get(a).shape.count, 0)?;
            file.write(out, |f, out| be.mod_switch(from, to, out, f.get(a), &mut ws));
        }
        Step::ModSwitches { from, to, ref outs, ref a } => {
            let mut ws = be.workspace(file.get(a[0]).shape.count, 0)?;
            let mut out: Vec<Limbs<B::Buf>> = outs.iter().map(|reg| file.take(*reg)).collect();
            let a: Vec<&Limbs<B::Buf>> = a.iter().map(|reg| file.get(*reg)).collect();
            be.mod_switches(from, to, &mut out, &a, &mut ws);
            outs.iter().zip(out).for_each(|(reg, out)| file.put(*reg, out));
        }
        Step::KeySwitchAdd { q, alpha, digits, source: (d, add), ref automorphisms, ref outs } => {
            let mut ws = be.workspace(file.get(d).shape.count, digits)?;
            let taken: Vec<Vec<Pair<B::Buf>>> = automorphisms.iter().map(|(_, key)| file.take_key(key)).collect();
            let mut sums: Vec<Pair<B::Buf>> = outs.iter().map(|pair| file.take_pair(pair)).collect();
            let keys: Vec<&[Pair<B::Buf>]> = taken.iter().map(Vec::as_slice).collect();
            let galois: Vec<u32> = automorphisms.iter().map(|(galois, _)| *galois).collect();
            let source = Source { q, alpha, d: file.get(d), add: add.map(|reg| reg.map(|reg| file.get(reg))) };
            be.key_switch_add(&source, &keys, &galois, &mut sums, &mut ws)?;
            outs.iter().zip(sums).for_each(|(regs, pair)| file.put_pair(regs, pair));
            automorphisms.iter().zip(taken).for_each(|((_, key), taken)| file.put_key(key, taken));
        }
        Step::GiantSteps { q, alpha, digits, ref giant_steps, sum, fresh } => {
            let mut ws = be.workspace(file.get(sum[0]).shape.count, digits)?;
            let keys: Vec<Vec<Pair<B::Buf>>> = giant_steps.iter().map(|(_, (_, key))| file.take_key(key)).collect();
            let mut taken = Vec::new();
            for ((c, (galois, _)), key) in giant_steps.iter().zip(&keys) {
                taken.push(GiantStep { c: file.take_pair(c), galois: *galois, key });
            }
            let mut out = file.take_pair(&sum);
            be.giant_steps((q, alpha), &mut taken, &mut out, fresh, &mut ws)?;
            file.put_pair(&sum, out);
            for ((regs, _), giant) in giant_steps.iter().zip(taken) {
                let mut c = giant.c;
                for half in &mut c {
                    be.upload(half, &vec![0; half.shape.words()])?; // what is in them is unspecified
                }
                file.put_pair(regs, c);
            }
            giant_steps.iter().zip(keys).for_each(|((_, (_, key)), taken)| file.put_key(key, taken));
        }
        Step::KeySwitch { q, alpha, digits, d, ref keys, ref accs } => {
            let mut ws = be.workspace(file.get(d).shape.count, digits)?;
            let taken: Vec<Vec<Pair<B::Buf>>> = keys.iter().map(|key| file.take_key(key)).collect();
            let mut sums: Vec<Pair<B::Buf>> = accs.iter().map(|pair| file.take_pair(pair)).collect();
            let borrowed: Vec<&[Pair<B::Buf>]> = taken.iter().map(Vec::as_slice).collect();
            be.key_switch(q, alpha, file.get(d), &borrowed, &mut sums, &mut ws);
            accs.iter().zip(sums).for_each(|(regs, pair)| file.put_pair(regs, pair));
            keys.iter().zip(taken).for_each(|(key, taken)| file.put_key(key, taken));
        }
    }
    Ok(())
}
