//! Rows of PowerSoftmax of length 1 to 4096: tiny ε, equal scores, one-hot rows, zeros.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| polyformer_tests::approximations::row(data));
