//! The properties of every approximation, on bytes that a fuzzer chooses. Inside the range the certified error holds,
//! in f64 and in f32. Outside the range the result is an error or a number, and never NaN where the reference is
//! finite.

use polyformer_kernel::{
    Error,
    arith::Arithmetic,
    circuits::{
        activation::activate,
        approx::{Approximation, Function, Weight},
        attention::power::{PowerSoftmax, power_softmax},
        exp::{Exp, exp},
        inv_sqrt::{InverseRoot, inverse_root},
        reciprocal::{Division, Iteration, reciprocal},
        reduce::RowLayout,
    },
    eval::clear::{ClearArray, ClearVec},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
};

/// Approximations of functions, with ranges of models and with other ranges.
fn functions() -> &'static [Approximation] {
    static ALL: OnceLock<Vec<Approximation>> = OnceLock::new();
    ALL.get_or_init(|| {
        let absolute = [
            (Function::Exp, (-16.0, 0.0)),
            (Function::Exp, (-1.0, 3.0)),
            (Function::Sigmoid, (-8.0, 8.0)),
            (Function::Tanh, (-5.0, 5.0)),
            (Function::Gelu, (-8.0, 8.0)),
            (Function::Gelu, (-3.0, 20.0)),
            (Function::Silu, (-10.0, 10.0)),
            (Function::Relu, (-5.0, 6.0)),
            (Function::Reciprocal, (0.01, 1.0)),
            (Function::InvSqrt, (0.15, 10.0)),
        ];
        let relative =
            [(Function::Exp, (-4.0, 0.0)), (Function::Reciprocal, (0.01, 1.0)), (Function::InvSqrt, (0.2, 150.0))];
        let mut all = Vec::new();
        for degree in [1, 4, 7, 15, 27, 31, 59] {
            for (f, range) in absolute {
                all.push(Approximation::chebyshev(f, Weight::Absolute, range, degree).unwrap());
                if degree < 40 {
                    all.push(Approximation::minimax(f, Weight::Absolute, range, degree).unwrap());
                }
            }
            for (f, range) in relative {
                all.push(Approximation::chebyshev(f, Weight::Relative, range, degree).unwrap());
            }
        }
        all
    })
}

fn divisions() -> &'static [Division] {
    static ALL: OnceLock<Vec<Division>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for range in [(0.1, 1.0), (0.01, 3.0), (1e-3, 1.0), (2e-6, 1.0), (0.5, 700.0)] {
            for iteration in [Iteration::Goldschmidt, Iteration::Newton] {
                for relaxed in [false, true] {
                    for (start, steps) in [(None, 1), (None, 6), (None, 13), (Some(7), 0), (Some(7), 3), (Some(31), 2)]
                    {
                        all.extend(Division::new(range, iteration, relaxed, start, steps));
                    }
                }
            }
        }
        all
    })
}

fn roots() -> &'static [InverseRoot] {
    static ALL: OnceLock<Vec<InverseRoot>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for range in [(0.15, 10.0), (0.2, 150.0), (0.75, 2500.0)] {
            for iteration in [Iteration::Goldschmidt, Iteration::Newton] {
                for relaxed in [false, true] {
                    for (start, steps) in [(None, 1), (None, 6), (Some(15), 0), (Some(15), 2), (Some(63), 1)] {
                        all.extend(InverseRoot::new(range, iteration, relaxed, start, steps));
                    }
                }
            }
        }
        all
    })
}

fn exponentials() -> &'static [Exp] {
    static ALL: OnceLock<Vec<Exp>> = OnceLock::new();
    ALL.get_or_init(|| {
        [(1.0, 1e-6), (8.0, 1e-3), (32.0, 1e-4), (128.0, 1e-3)].map(|(r, e)| Exp::choose(r, e).unwrap()).into()
    })
}

/// A point of [lo, hi]: often an end, or next to one.
fn inside((lo, hi): (f64, f64), word: u64) -> f64 {
    let fraction = (word >> 8) as f64 / (1u64 << 56) as f64;
    let x = match word & 7 {
        0 => lo,
        1 => hi,
        2 => lo + (hi - lo) * fraction * 1e-6,
        3 => hi - (hi - lo) * fraction * 1e-6,
        _ => lo + (hi - lo) * fraction,
    };
    x.clamp(lo, hi)
}

fn off(weight: Weight, got: f64, want: f64) -> f64 {
    if weight == Weight::Relative { (got / want - 1.0).abs() } else { (got - want).abs() }
}

fn word(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    (0..8).fold(0, |w, i| w | (bytes.next().unwrap_or(0) as u64) << (8 * i))
}

/// One point of one approximation.
pub fn point(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let (kind, which, at) = (bytes.next().unwrap_or(0), word(&mut bytes) as usize, word(&mut bytes));
    let (mut double, mut single) = (ClearArray::<f64, 1>::new(), ClearArray::<f32, 1>::new());
    match kind % 4 {
        0 => {
            let f = &functions()[which % functions().len()];
            let x = inside(f.poly().range(), at);
            let want = f.function().at(x);
            let y = activate(&mut double, f, &[x]).unwrap()[0];
            let size = if f.weight() == Weight::Relative { want.abs() } else { 1.0 };
            let slack = |epsilon: f64| f.poly().rounding(epsilon) / size;
            assert!(off(f.weight(), y, want) <= f.error() + slack(f64::EPSILON), "{f:?} at {x}: {y}");
            let (lo, hi) = f.poly().range();
            let x = (x as f32).clamp(lo as f32, hi as f32);
            if (lo..=hi).contains(&(x as f64)) {
                let y = activate(&mut single, f, &[x]).unwrap()[0] as f64;
                let want = f.function().at(x as f64);
                let bound = f.error() + 2.0 * slack(f32::EPSILON as f64);
                assert!(off(f.weight(), y, want) <= bound, "{f:?} at {x} in f32: {y}");
            }
        }
        1 => {
            let config = &divisions()[which % divisions().len()];
            let x = inside(config.range(), at) * config.scale();
            let y = reciprocal(&mut double, config, &[x]).unwrap()[0];
            assert!((x * y - 1.0).abs() <= config.error() + 1e-9, "{config:?} at {x}: {y}");
            if config.range().1 / config.range().0 < 500.0 {
                let x = x as f32;
                let y = reciprocal(&mut single, config, &[x]).unwrap()[0];
                assert!((x as f64 * y as f64 - 1.0).abs() <= config.error() + 1e-3, "{config:?} at {x} in f32: {y}");
            }
        }
        2 => {
            let config = &roots()[which % roots().len()];
            let x = inside(config.range(), at) * config.scale();
            let y = inverse_root(&mut double, config, &[x]).unwrap()[0];
            assert!((x.sqrt() * y - 1.0).abs() <= config.error() + 1e-9, "{config:?} at {x}: {y}");
        }
        _ => {
            let config = &exponentials()[which % exponentials().len()];
            let x = inside((-config.range(), 0.0), at);
            let y = exp(&mut double, config, &[x]).unwrap()[0];
            assert!((y - x.exp()).abs() <= config.error() + 1e-12, "{config:?} at {x}: {y}");
        }
    }
    anywhere(which, f64::from_bits(at));
}

/// Outside its range, a circuit gives a number or an error.
fn anywhere(which: usize, x: f64) {
    if !x.is_finite() {
        return;
    }
    let mut ev = ClearArray::<f64, 1>::new();
    let results = [
        activate(&mut ev, &functions()[which % functions().len()], &[x]),
        reciprocal(&mut ev, &divisions()[which % divisions().len()], &[x]),
        inverse_root(&mut ev, &roots()[which % roots().len()], &[x]),
        exp(&mut ev, &exponentials()[which % exponentials().len()], &[x]),
    ];
    for y in results.into_iter().flatten() {
        assert!(!y[0].is_nan(), "{x} gave NaN");
    }
}

/// PowerSoftmax of a form for rows of a length; each is made once.
fn softmax(form: u8, epsilon: f64, length: usize) -> &'static PowerSoftmax {
    type Made = BTreeMap<(u8, u64, usize), &'static PowerSoftmax>;
    static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());
    let l = length as f64;
    let new = || match form {
        0 => PowerSoftmax::lipschitz(4, epsilon, l, 1e-3),
        1 => PowerSoftmax::length_agnostic(4, length, epsilon, 1.0, 1e-3),
        _ => PowerSoftmax::plain(4, (1.0, l.max(1.5)), 1e-3),
    };
    let mut made = MADE.lock().unwrap();
    made.entry((form, epsilon.to_bits(), length)).or_insert_with(|| Box::leak(Box::new(new().unwrap())))
}

/// One row of PowerSoftmax: any length, ε down to 1e-9, equal scores, one-hot rows, zeros, and scores from the bytes.
pub fn row(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let (form, shape) = (bytes.next().unwrap_or(0), bytes.next().unwrap_or(0));
    let log_length = (bytes.next().unwrap_or(0) % 13) as u32;
    let length = 1usize << log_length;
    let real = 1 + word(&mut bytes) as usize % length; // the rest is padding: zeros
    let epsilon = [1e-1, 1e-3, 1e-6, 1e-9][(form >> 4) as usize % 4];
    let mut x: Vec<f64> = (0..length)
        .map(|i| match (shape % 5, i < real) {
            (_, false) | (0, _) => 0.0,
            (1, _) => 1.0,
            (2, _) => (i == real - 1) as u8 as f64,
            (3, _) => inside((-1.0, 1.0), word(&mut bytes)),
            _ => 1e-3 * inside((-1.0, 1.0), word(&mut bytes)),
        })
        .collect();
    let config = softmax(form % 3, epsilon, length);
    let mut want = x.clone();
    config.define(&mut want);
    let sum: f64 = x.iter().map(|x| x.powi(4)).sum();
    let in_range = form % 3 < 2 || sum >= 1.0;
    let rows = RowLayout::new(length, 1).unwrap();
    let mut single = [x.iter().map(|x| *x as f32).collect::<Vec<_>>()];
    let mut xs = [std::mem::take(&mut x)];
    power_softmax(&mut ClearVec::<f64>::with_slots(length), config, &mut xs, &rows).unwrap();
    for (y, want) in xs[0].iter().zip(&want) {
        assert!(y.is_finite());
        assert!(!in_range || (y - want).abs() <= config.error() * want + 1e-9, "{config:?}: {y} {want}");
    }
    let mut ev = ClearVec::<f32>::with_slots(length);
    // f32 resolves sums down to about 1e-7 of their largest value; below, an iteration may leave its range and overflow
    let resolved = in_range && epsilon >= 1e-3;
    match power_softmax(&mut ev, config, &mut single, &rows) {
        Err(Error::NotFinite { .. }) if !resolved => return,
        result => result.unwrap(),
    }
    for (y, want) in single[0].iter().zip(&want) {
        assert!(y.is_finite());
        assert!(!resolved || (*y as f64 - want).abs() <= config.error() * want + 1e-3, "{config:?} in f32: {y} {want}");
    }
    assert_eq!(ev.slots(), length);
}
