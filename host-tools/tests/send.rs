//! A server and a client may move to another thread. The compiler checks it: the test does not build otherwise.

use polyformer::session::{Client, RingBridge, Server};
use polyformer_cpu::Cpu;

fn send<T: Send>() {}

#[test]
fn servers_and_clients_move_between_threads() {
    send::<Server<'static, Cpu<'static>>>();
    send::<RingBridge<Cpu<'static>>>();
    send::<Client<'static>>();
    #[cfg(feature = "wgpu")]
    send::<Server<'static, polyformer_wgpu::Wgpu<'static>>>();
}
