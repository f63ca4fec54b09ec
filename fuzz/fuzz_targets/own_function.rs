//! An approximation of one's own, as docs/fuzzing.md explains it: x / (1 + x²) by a polynomial of degree 31.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer_kernel::{
    circuits::{approx::interpolate, poly::evaluate},
    eval::clear::ClearArray,
};

fuzz_target!(|x: f64| {
    let f = |x: f64| x / (1.0 + x * x);
    let poly = interpolate(f, (-4.0, 4.0), 31).expect("a degree that is too high or a range that is none");
    if let Ok(y) = evaluate(&mut ClearArray::<f64, 1>::new(), &poly, &[x]) {
        assert!(!y[0].is_nan(), "{x} gave NaN");
        if (-4.0..=4.0).contains(&x) {
            assert!((y[0] - f(x)).abs() <= 1e-3, "{x}: {} instead of {}", y[0], f(x)); // the error that I claim
        }
    }
});
