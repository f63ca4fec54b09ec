//! Fuzzes an approximation of x / (1 + x²) by a polynomial of degree 31. docs/fuzzing.md explains the program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer_kernel::{
    circuits::{approx::interpolate, poly::evaluate},
    eval::clear::ClearArray,
};

fuzz_target!(|x: f64| {
    let f = |x: f64| x / (1.0 + x * x);
    let poly = interpolate(f, (-4.0, 4.0), 31).expect("the degree is too high or the range is empty");
    if let Ok(y) = evaluate(&mut ClearArray::<f64, 1>::new(), &poly, &[x]) {
        assert!(!y[0].is_nan(), "{x} gave NaN");
        if (-4.0..=4.0).contains(&x) {
            assert!((y[0] - f(x)).abs() <= 1e-3, "{x}: {} instead of {}", y[0], f(x)); // the claimed error
        }
    }
});
