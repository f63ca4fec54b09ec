//! Points of approximations. Inside the range the certified error holds, in f64 and f32. Outside the range no result is
//! NaN.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| polyformer_tests::approximations::point(data));
