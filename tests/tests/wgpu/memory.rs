//! GPU memory. Buffers above the binding limit of a shader are split and compute the same words. A GPU with too little
//! memory gives an error with both numbers. Memory is reused. A lost GPU gives an error at submit and at download.

use super::{adapter, arithmetics};
use polyformer_kernel::{
    Error as Fault,
    backend::{Backend, Shape},
};
use polyformer_tests::{
    chain::Chain,
    conformance::{Law, element_wise, moduli, random, transforms},
    program::Program,
};
use polyformer_wgpu::{Error, Gpu, Options, Wgpu};

fn open(options: Options) -> Option<Gpu> {
    adapter().map(|adapter| Gpu::open(&adapter, options).unwrap())
}

fn programs(chain: &Chain) -> Vec<Program> {
    let mut all: Vec<Program> = element_wise::words_move_in_and_out(chain).collect();
    all.extend(element_wise::second_operands_broadcast_over_items_and_blocks(chain));
    all.extend(element_wise::sums_of_products_agree(chain));
    all.extend(transforms::transforms_evaluate_at_odd_powers_of_psi(chain).take(4));
    all.extend(moduli::conversions_lift_as_they_say(chain));
    all.extend(moduli::switching_moduli_rounds_to_nearest(chain).take(6));
    all.extend(moduli::key_switches_sum_over_digits(chain).take(4));
    all.extend(random::programs_agree(chain).take(6));
    all
}

#[test]
fn buffers_over_what_a_shader_sees_are_split() {
    let chain = Chain::b16(6);
    // The digits of an item stay together, the items of most batches do not.
    let item = chain.full().len() * chain.params.n();
    let words = item * chain.params.digits() + 64;
    let constants = chain.params.n() * chain.params.moduli().len() * 2 + 1024;
    assert!(constants < words, "the twiddles must fit");
    let Some(gpu) = open(Options { binding_words: Some(words), ..Options::default() }) else { return };
    let batch = Shape { count: 9, basis: chain.full(), cols: chain.params.n() as u32 };
    let mut be = Wgpu::new(chain.ring(), &gpu).unwrap();
    assert!(be.alloc(batch).unwrap().buf.ranges() > 1, "nothing was split");
    for program in programs(&chain) {
        Law::new(&chain, program).hold(&mut be);
    }
    let one = Shape { cols: 1 << 16, ..batch };
    let room = words / 64 * 64;
    assert_eq!(be.alloc(one).err(), Some(Fault::DeviceMemory { words: one.words() / 9, room }));
    assert_eq!(gpu.fault(), None);
}

#[test]
fn a_device_that_is_too_small_is_an_error_with_both_numbers() {
    let chain = Chain::b16(6);
    let room = 1 << 20;
    let Some(gpu) = open(Options { memory_words: Some(room), ..Options::default() }) else { return };
    let mut be = Wgpu::new(chain.ring(), &gpu).unwrap();
    assert_eq!(gpu.room(3 << 26), 3 << 26, "more than one buffer, all there");
    assert_eq!(be.reserve(room), Ok(()));
    assert_eq!(be.reserve(room + 1), Err(Fault::DeviceMemory { words: room + 1, room }));
    let shape = Shape { count: 16, basis: chain.full(), cols: 64 };
    let held: Vec<_> = (0..).map_while(|_| be.alloc(shape).ok()).collect();
    assert_eq!(held.len(), room / shape.words(), "all of it was given");
    assert!(matches!(be.alloc(shape).err(), Some(Fault::DeviceMemory { room: 1_048_576, .. })));
    drop(held);
    let held: Vec<_> = (0..).map_while(|_| be.alloc(shape).ok()).collect();
    assert_eq!(held.len(), room / shape.words(), "what was dropped is given again");
    assert_eq!(be.reserved(), room);
    assert_eq!(gpu.fault(), None);
}

#[test]
fn a_lost_device_shows_at_submit_and_at_download() {
    let chain = Chain::b16(6);
    let Some(gpu) = open(Options::default()) else { return };
    let mut be = Wgpu::new(chain.ring(), &gpu).unwrap();
    let shape = Shape { count: 1, basis: chain.full(), cols: 64 };
    let mut x = be.alloc(shape).unwrap();
    be.upload_uniform(&mut x, &[1; 32], 0).unwrap();
    be.ntt(shape.basis, &mut x);
    gpu.destroy();
    be.ntt(shape.basis, &mut x); // recording cannot fail
    assert_eq!(be.submit(), Err(Fault::DeviceLost));
    assert_eq!(be.download(&x, &mut vec![0; shape.words()]), Err(Fault::DeviceLost));
    assert!(gpu.fault().is_some());
}

#[test]
fn an_adapter_that_is_not_there_is_named() {
    let Some(adapter) = adapter() else { return };
    let asked = "a GPU of the year 3000";
    assert!(
        matches!(polyformer_wgpu::Adapter::find(Some(asked)), Err(Error::NotFound { asked: a, among: 1.. }) if a == asked)
    );
    assert_eq!(polyformer_wgpu::Adapter::find(Some(&adapter.name().to_uppercase())).unwrap().name(), adapter.name());
    assert_eq!(adapter.check(), Ok(()));
    assert!(arithmetics(&adapter).contains(&adapter.arithmetic()));
}
