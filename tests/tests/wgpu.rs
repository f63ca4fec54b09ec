//! The GPU backend obeys the laws, with 64-bit integers and with 16-bit halves. Without an adapter the tests pass
//! without a check, unless POLYFORMER_REQUIRE_GPU demands an adapter.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use polyformer_tests::chain::Chain;
use polyformer_wgpu::{Adapter, Gpu, Options, Wgpu, WideMul};
use std::sync::OnceLock;

#[path = "wgpu/bootstrap.rs"]
mod bootstrap;
#[path = "wgpu/memory.rs"]
mod memory;

/// The first adapter.
fn adapter() -> Option<Adapter> {
    match Adapter::find(None) {
        Ok(adapter) => Some(adapter),
        Err(error) => {
            assert!(std::env::var_os("POLYFORMER_REQUIRE_GPU").is_none_or(|v| v != "1"), "{error}");
            println!("skipped: no adapter");
            None
        }
    }
}

/// Every arithmetic of the adapter.
fn arithmetics(adapter: &Adapter) -> Vec<WideMul> {
    if adapter.has_int64() { vec![WideMul::Halves, WideMul::Int64] } else { vec![WideMul::Halves] }
}

/// The first adapter with each arithmetic, opened once for all tests that leave the GPU intact.
fn gpus() -> &'static [Gpu] {
    static GPUS: OnceLock<Vec<Gpu>> = OnceLock::new();
    GPUS.get_or_init(|| {
        let adapter = adapter();
        let open = |adapter: &Adapter, a| Gpu::open(adapter, Options { arithmetic: Some(a), ..Options::default() });
        adapter.iter().flat_map(|one| arithmetics(one).into_iter().map(|a| open(one, a).unwrap())).collect()
    })
}

fn wgpu(chain: &Chain, mut law: impl FnMut(&mut Wgpu<'_>)) {
    if gpus().is_empty() {
        println!("skipped: no adapter");
    }
    for gpu in gpus() {
        law(&mut Wgpu::new(chain.ring(), gpu).unwrap());
        assert_eq!(gpu.fault(), None);
    }
}

polyformer_tests::conformance!(wgpu);
