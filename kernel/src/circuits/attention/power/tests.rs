//! Every form keeps its error, its enclosure and its depth.

use super::{PowerSoftmax, folded, power_softmax, published, stable};
use crate::{
    circuits::reduce::RowLayout,
    eval::{
        clear::ClearArray,
        interval::{Bounds, Interval},
    },
};

const L: usize = 64;

/// Scores of rows that wrap: entry j of row r is in slot 4 j + r. The largest of a row is 1/(r + 1).
fn scores() -> [f64; 4 * L] {
    core::array::from_fn(|i| {
        let (j, r) = (i / 4, i % 4);
        let x = if j == 5 + r { 1.0 } else { libm::sin((i * i) as f64) * 0.4 };
        x / (r + 1) as f64
    })
}

/// The definition, row by row.
fn defined(config: &PowerSoftmax, x: &[f64; 4 * L]) -> [f64; 4 * L] {
    let mut out = [0.0; 4 * L];
    for r in 0..4 {
        let mut row: [f64; L] = core::array::from_fn(|j| x[4 * j + r]);
        config.define(&mut row);
        (0..L).for_each(|j| out[4 * j + r] = row[j]);
    }
    out
}

fn rows() -> RowLayout {
    RowLayout::new(L, 4).unwrap()
}

#[test]
fn every_form_keeps_its_error_and_its_enclosure() {
    let x = scores();
    let forms = [
        PowerSoftmax::plain(4, (1.0 / 256.0, 4.0), 1e-4).unwrap(),
        PowerSoftmax::plain(2, (0.05, 16.0), 1e-4).unwrap(),
        PowerSoftmax::lipschitz(4, 1e-3, 4.0, 1e-4).unwrap(),
        PowerSoftmax::lipschitz(6, 1e-3, 4.0, 1e-4).unwrap(),
        PowerSoftmax::lipschitz(14, 1e-3, 4.0, 1e-4).unwrap(),
        PowerSoftmax::length_agnostic(4, L, 1e-3, 1.0, 1e-3).unwrap(),
        PowerSoftmax::published(4, (1.0 / 256.0, 4.0), 16).unwrap(),
    ];
    for config in forms {
        let (want, mut y, mut sure) = (defined(&config, &x), [x], [x.map(Bounds::point)]);
        power_softmax(&mut ClearArray::<f64, 256>::new(), &config, &mut y, &rows()).unwrap();
        power_softmax(&mut Interval::<f64, 256>::new(), &config, &mut sure, &rows()).unwrap();
        for ((y, want), sure) in y[0].iter().zip(want).zip(sure[0]) {
            assert!((y - want).abs() <= config.error() * want + 1e-12, "{config:?}: {y} {want}");
            assert!(sure.contains(*y));
        }
        let mut y = [x];
        published(&mut ClearArray::<f64, 256>::new(), &config, &mut y, &rows()).unwrap();
        assert!(y[0].iter().zip(want).all(|(y, want)| (y - want).abs() <= config.error() * want + 1e-12));
        let mut y = [x.map(|x| x * config.input_scale())];
        folded(&mut ClearArray::<f64, 256>::new(), &config, &mut y, &rows()).unwrap();
        assert!(y[0].iter().zip(want).all(|(y, want)| (y - want).abs() <= config.error() * want + 1e-12));
    }
}

#[test]
fn the_stable_form_takes_rows_of_any_size_and_a_mask() {
    let mut x = scores().map(|x| x * 1000.0);
    // the largest of row r is 1000/(r+1); later tokens are hidden from token 20
    let inverse: [f64; 256] = core::array::from_fn(|i| super::super::causal(20, i / 4) * (i % 4 + 1) as f64 / 1000.0);
    let config = PowerSoftmax::plain(4, (1.0, L as f64), 1e-4).unwrap();
    let mut y = [x];
    stable(&mut ClearArray::<f64, 256>::new(), &config, &mut y, &rows(), &inverse).unwrap();
    (0..256).filter(|i| i / 4 > 20).for_each(|i| x[i] = 0.0);
    let want = defined(&config, &x);
    assert!(y[0].iter().zip(want).all(|(y, want)| (y - want).abs() <= config.error() * want + 1e-12));
}

#[test]
fn a_row_of_zeros_is_a_row_of_zeros() {
    for config in [
        PowerSoftmax::plain(4, (1e-3, 4.0), 1e-3).unwrap(),
        PowerSoftmax::length_agnostic(4, L, 1e-3, 1.0, 1e-3).unwrap(),
    ] {
        let mut y = [[0.0f32; 256]];
        power_softmax(&mut ClearArray::<f32, 256>::new(), &config, &mut y, &rows()).unwrap();
        assert_eq!(y[0], [0.0; 256]);
    }
}

#[test]
fn powers_that_are_odd_or_too_large_are_refused() {
    for p in [0, 3, 5, 18] {
        let error = PowerSoftmax::lipschitz(p, 1e-3, 4.0, 1e-3).unwrap_err();
        assert_eq!(error, crate::Error::BadPower { power: p, most: 16 });
    }
}

#[cfg(feature = "alloc")]
#[test]
fn every_even_power_takes_as_many_levels_as_it_says() {
    use crate::{arith::Arithmetic, eval::trace::Trace};
    for p in (2..=16).step_by(2) {
        let config = PowerSoftmax::lipschitz(p, 1e-3, 4.0, 1e-3).unwrap();
        let mut tr = Trace::new(4 * L, None);
        let mut xs = [tr.input(40)];
        power_softmax(&mut tr, &config, &mut xs, &rows()).unwrap();
        assert_eq!(40 - tr.level(&xs[0]), config.depth(), "p = {p}");
    }
}

#[cfg(feature = "alloc")]
#[test]
fn the_published_range_takes_17_levels_at_most_and_the_length_agnostic_form_12() {
    use crate::{arith::Arithmetic, eval::trace::Trace};
    type Circuit = fn(&mut Trace, &PowerSoftmax, &mut [crate::eval::trace::Leveled], &RowLayout) -> crate::Result<()>;
    let depth = |config: &PowerSoftmax, circuit: Circuit| {
        let mut tr = Trace::new(4 * L, None);
        let mut xs = [tr.input(40)];
        circuit(&mut tr, config, &mut xs, &rows()).unwrap();
        40 - tr.level(&xs[0])
    };
    for (lo, ours_takes) in [(2e-6, 16), (4e-6, 17)] {
        let recipe = PowerSoftmax::published(4, (lo * L as f64, L as f64), 22).unwrap();
        let ours = PowerSoftmax::plain(4, (lo * L as f64, L as f64), recipe.error()).unwrap();
        assert!(ours.error() <= recipe.error(), "{:e} {:e}", ours.error(), recipe.error());
        assert_eq!(depth(&recipe, published), 27);
        assert_eq!((depth(&ours, power_softmax), ours.depth()), (ours_takes, ours_takes), "{lo}");
        assert_eq!((depth(&ours, folded), ours.folded_depth(&rows(), 4 * L)), (ours_takes - 1, ours_takes - 1));
    }
    let agnostic = PowerSoftmax::length_agnostic(4, L, 1e-3, 1.0, libm::exp2(-10.0)).unwrap();
    assert_eq!((depth(&agnostic, power_softmax), depth(&agnostic, folded)), (10, 9));
}
