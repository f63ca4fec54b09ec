//! Every kind of division keeps its error, its depth and its count of products.

use super::{Division, Iteration, divide, reciprocal};
use crate::{
    Error,
    eval::{
        clear::ClearArray,
        interval::{Bounds, Interval},
    },
};
#[cfg(feature = "alloc")]
use crate::{
    arith::Arithmetic,
    eval::trace::{Leveled, Trace},
};

const N: usize = 256;

/// Points of [lo, hi], spread evenly in the logarithm, both ends included.
fn points((lo, hi): (f64, f64)) -> [f64; N] {
    core::array::from_fn(|i| match i {
        0 => lo,
        _ if i == N - 1 => hi,
        _ => lo * libm::pow(hi / lo, i as f64 / (N - 1) as f64),
    })
}

fn worst(config: &Division) -> f64 {
    let x = points(config.range());
    let y = reciprocal(&mut ClearArray::<f64, N>::new(), config, &x.map(|x| x * config.scale())).unwrap();
    x.iter().zip(y).map(|(x, y)| (x * y * config.scale() - 1.0).abs()).fold(0.0, f64::max)
}

#[test]
fn every_kind_keeps_its_error_and_comes_close_to_it() {
    for range in [(0.1, 1.0), (1e-3, 1.0), (0.5, 700.0)] {
        for iteration in [Iteration::Goldschmidt, Iteration::Newton] {
            for relaxed in [false, true] {
                for start in [None, Some(3), Some(15)] {
                    for steps in [1, 2, 5, 9] {
                        let config = Division::new(range, iteration, relaxed, start, steps).unwrap();
                        let real = worst(&config);
                        assert!(real <= config.error() + 1e-11, "{config:?}: {real:e}");
                        assert!(config.error() <= 1.3 * real + 1e-9, "{config:?}: {real:e}");
                    }
                }
            }
        }
    }
}

/// The table of docs/math.md §12.1: steps for a relative error of 1e-3 and of 2^-20. The relaxed steps are one-sided in
/// the paper and centred here, which can only save steps.
#[test]
fn the_steps_are_those_of_the_table() {
    let table = [
        (1e-1, [7, 8], [4, 5]),
        (1e-2, [10, 11], [6, 7]),
        (1e-3, [13, 14], [8, 8]),
        (1.0 / 2048.0, [14, 15], [8, 9]),
        (1e-5, [20, 21], [11, 12]),
        (libm::exp2(-18.0), [21, 22], [12, 12]),
    ];
    for (lo, plain, relaxed) in table {
        for (i, error) in [1e-3, libm::exp2(-20.0)].into_iter().enumerate() {
            let steps = |relaxed| {
                let new = |n| Division::new((lo, 1.0), Iteration::Goldschmidt, relaxed, None, n).unwrap();
                (1..=30).find(|n| new(*n).error() <= error).unwrap()
            };
            assert_eq!(steps(false), plain[i], "{lo} {error}");
            assert!(steps(true) <= relaxed[i] && steps(true) + 1 >= relaxed[i], "{lo} {error}: {}", steps(true));
        }
    }
}

#[test]
fn a_quotient_is_inside_its_enclosure_in_f32_and_f64() {
    let config = Division::new((0.01, 1.0), Iteration::Goldschmidt, true, None, 8).unwrap();
    let x = points((0.01, 1.0)).map(|x| x * config.scale());
    let (mut y, mut sure) = ([[0.25; N]], [[Bounds::point(0.25); N]]);
    divide(&mut ClearArray::<f64, N>::new(), &config, &mut y, &x).unwrap();
    divide(&mut Interval::<f64, N>::new(), &config, &mut sure, &x.map(Bounds::point)).unwrap();
    assert!(y[0].iter().zip(sure[0]).all(|(y, s)| s.contains(*y)));
    assert!(y[0].iter().zip(x).all(|(y, x)| (y * x / 0.25 - 1.0).abs() < 1.0001 * config.error() + 1e-13));
    let x = x.map(|x| x as f32);
    let (mut y, mut sure) = ([[0.25f32; N]], [[Bounds::point(0.25f32); N]]);
    divide(&mut ClearArray::<f32, N>::new(), &config, &mut y, &x).unwrap();
    divide(&mut Interval::<f32, N>::new(), &config, &mut sure, &x.map(Bounds::point)).unwrap();
    assert!(y[0].iter().zip(sure[0]).all(|(y, s)| s.contains(*y)));
    assert!(y[0].iter().zip(x).all(|(y, x)| (y * x / 0.25 - 1.0).abs() < 1e-5));
}

#[test]
fn the_chooser_takes_the_least_depth() {
    let config = Division::choose((1e-3, 1.0), libm::exp2(-10.0)).unwrap();
    assert_eq!((config.depth(), config.iteration()), (7, (Iteration::Goldschmidt, true)), "{config:?}");
    assert!(worst(&config) <= libm::exp2(-10.0));
    let one = Division::choose((0.9, 1.1), 0.02).unwrap();
    assert_eq!((one.depth(), one.products()), (0, 0), "{one:?}"); // c - x
    assert!(matches!(Division::choose((1e-3, 1.0), 0.0), Err(Error::Inaccurate { .. })));
    assert_eq!(Division::choose((0.0, 1.0), 0.1).err(), Some(Error::BadRange { lo: 0.0, hi: 1.0 }));
}

/// Both iterations after starts of several degrees and after the constant 1, with up to seven steps.
#[cfg(feature = "alloc")]
pub fn iterations() -> impl Iterator<Item = (Iteration, Option<usize>, usize)> {
    let starts = [None, Some(1), Some(7), Some(31)].into_iter();
    let steps = starts.flat_map(|start| (start.map_or(1, |_| 0)..8).map(move |steps| (start, steps)));
    steps.flat_map(|(start, steps)| {
        [Iteration::Goldschmidt, Iteration::Newton].map(|iteration| (iteration, start, steps))
    })
}

/// Depth and products of a circuit in the trace.
#[cfg(feature = "alloc")]
pub fn traced(circuit: impl FnOnce(&mut Trace, Leveled) -> Leveled) -> (u8, u32) {
    let mut tr = Trace::new(N, None);
    let x = tr.input(30);
    let y = circuit(&mut tr, x);
    (30 - tr.level(&y), tr.cost().mul)
}

#[cfg(feature = "alloc")]
#[test]
fn depth_and_products_are_those_of_the_trace() {
    for (iteration, start, steps) in iterations() {
        let config = Division::new((0.01, 1.0), iteration, true, start, steps).unwrap();
        let of_reciprocal = traced(|tr, x| reciprocal(tr, &config, &x).unwrap());
        assert_eq!(of_reciprocal, (config.depth(), config.products()), "{config:?}");
        let (depth, _) = traced(|tr, x| {
            let mut y = [tr.input(30)];
            divide(tr, &config, &mut y, &x).unwrap();
            let [y] = y;
            y
        });
        assert_eq!(depth, config.divide_depth(), "{config:?}");
    }
}
