//! The parts of a server are `Send` and may move to another thread. The compiler checks this: without `Send` these
//! tests do not build.
//!
//! The scalar backend stays on its thread. Its pool uses `RefCell`s, which need neither an allocator nor atomic
//! instructions.

use polyformer_cpu::Cpu;
use polyformer_kernel::{
    backend::Backend,
    bootstrap::Bootstrapped,
    ckks::{
        Ciphertext, Ckks, Hoisted, Plaintext, Wide,
        keys::Keys,
        ring_switch::{LiftKey, LowerKey},
    },
    eval::noise::NoiseSimulator,
};

fn send<T: Send>() {}

fn everything_over<B: Backend<Buf: Send> + Send + 'static>() {
    send::<Ckks<'static, B>>();
    send::<Bootstrapped<Ckks<'static, B>>>();
    send::<(Keys<B>, LiftKey<B>, LowerKey<B>)>();
    send::<(Ciphertext<B>, Plaintext<B>, Wide<B>, Hoisted<B>)>();
}

#[test]
fn evaluators_keys_and_ciphertexts_move_between_threads() {
    everything_over::<Cpu<'static>>();
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    everything_over::<polyformer_wgpu::Wgpu<'static>>();
    send::<NoiseSimulator<'static>>();
}

#[test]
fn a_ciphertext_is_computed_on_by_another_thread() {
    use polyformer_kernel::{
        arith::{Arithmetic, cost::Demand},
        math::complex::Complex,
        params::{Params, presets},
        ring::tables,
    };
    use polyformer_tests::client::Client;

    let params = Params::new(&presets::C12).unwrap();
    let mut twiddles = vec![0; tables::words(params.n(), params.moduli().len())];
    tables::fill(params.n(), params.moduli(), &mut twiddles);
    let mut be = Cpu::with(params.ring(&twiddles).unwrap(), polyformer_cpu::Isa::detect(), 1);
    let mut client = Client::new(&mut be, &params, 1);
    let x = client.encrypt(&mut be, &vec![Complex::from(0.25); params.slots()], 0);
    let keys = client.keys(&mut be, &Demand::default());
    let mut ckks = Ckks::new(be, &params, keys).unwrap();
    let (mut be, y) = std::thread::scope(|scope| {
        let sum = scope.spawn(move || {
            let mut y = ckks.copy(&x).unwrap();
            ckks.add(&mut y, &x).unwrap();
            (ckks.be, y)
        });
        sum.join().unwrap()
    });
    assert!(client.errors(&mut be, &y, |_| Complex::from(0.5)).worst < 1e-3);
}
