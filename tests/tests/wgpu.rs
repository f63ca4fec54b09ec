//! The GPU backend obeys the laws, with 64-bit integers and with 16-bit halves, in one range of memory and in many.
//! Without an adapter there is nothing to test, unless POLYFORMER_REQUIRE_GPU says that there must be one.

use gpu::{Adapter, Arithmetic, Gpu, Options, Wgpu};
use laws::chain::Chain;
use std::sync::OnceLock;

/// Every arithmetic of the first adapter.
fn gpus() -> &'static [Gpu] {
    static GPUS: OnceLock<Vec<Gpu>> = OnceLock::new();
    GPUS.get_or_init(|| {
        let adapter = match Adapter::find(None) {
            Ok(adapter) => adapter,
            Err(error) => {
                assert!(std::env::var_os("POLYFORMER_REQUIRE_GPU").is_none_or(|v| v != "1"), "{error}");
                return Vec::new();
            }
        };
        let arithmetics = [Arithmetic::Halves, Arithmetic::Int64];
        let possible = arithmetics.into_iter().filter(|a| *a == Arithmetic::Halves || adapter.has_int64());
        possible.map(|a| Gpu::open(&adapter, Options { arithmetic: Some(a), ..Options::default() }).unwrap()).collect()
    })
}

fn wgpu(chain: &Chain, mut law: impl FnMut(&mut Wgpu<'_>)) {
    if gpus().is_empty() {
        println!("skipped: no adapter");
    }
    for gpu in gpus() {
        let be = &mut Wgpu::new(chain.ring(), gpu).unwrap();
        law(be);
        assert_eq!(gpu.fault(), None);
    }
}

laws::conformance!(wgpu);
