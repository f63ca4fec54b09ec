//! A packed model is used where it lies in the map of its file: reading it copies less than a hundredth of its bytes.
//!
//! With `POLYFORMER_MODEL_MIB` in the environment the model has that size, and the seconds are printed.

#![allow(clippy::unwrap_used, clippy::panic)] // a test that cannot go on has failed

use polyformer::{
    files::{self, Body, Header, Mapped, View, Weights},
    model::{Checkpoint, Pretrained, pack},
    spec::SpecBuf,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, path::Path, time::Instant};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A model of about `mib` MiB: the demo model's tokenizer and polynomials, other shapes, weights that are no secret.
fn write_large(path: &Path, mib: usize, weights: Weights) {
    let b16 = SpecBuf::preset("B16").unwrap();
    let output = files::Output::at(path, files::Form::File(files::Kind::Model), files::Access::Shared, &[]).unwrap();
    pack(&Checkpoint::embedded().unwrap(), &b16, weights, None, (output, path)).unwrap();
    let small = Mapped::open(path).unwrap();
    let view = View::parse(small.bytes()).unwrap();
    let Body::Model { sizes, about } = view.header.body.clone() else { panic!("another kind") };
    // two layers of four square maps, one `down` between them and the classifier: 8 w^2 + 3 w h weights, h = 4 w
    let bytes_per_weight = if weights == Weights::F16 { 2 } else { 1 };
    let fit = |width: &usize| 20 * width * width * bytes_per_weight <= mib << 20;
    let width = [256, 512, 1024, 2048, 4096, 8192].into_iter().rfind(fit).unwrap();
    let hidden = ((mib << 20) / bytes_per_weight - 8 * width * width) / (3 * width);
    let hidden = hidden.min(1 << 16);
    let sizes = files::Sizes { width, hidden, twin: 0, ..sizes };
    let header = Header { spec: b16.clone(), key: None, body: Body::Model { sizes, about } };
    let params = b16.params().unwrap();
    let tensors: Vec<Vec<u8>> = header
        .tensors(&params)
        .iter()
        .enumerate()
        .map(|(i, tensor)| {
            if i == 0 {
                return view.bytes(0).to_vec();
            }
            let length = tensor.shape.iter().product::<usize>() * tensor.of.size();
            (0..length)
                .map(|k| if k % tensor.of.size() == tensor.of.size() - 1 { (k % 61) as u8 } else { (k >> 3) as u8 })
                .collect()
        })
        .collect();
    files::write(path, &header, &params, &tensors.iter().map(|t| &t[..]).collect::<Vec<_>>()).unwrap();
}

/// Bytes that reading a model asks the allocator for, and its seconds.
fn allocated(path: &Path) -> (usize, f64) {
    let (region, start) = (Region::new(ALLOCATOR), Instant::now());
    let model = Pretrained::read(path).unwrap();
    let bytes = region.change().bytes_allocated;
    assert!(model.exact.is_none());
    (bytes, start.elapsed().as_secs_f64())
}

#[test]
fn reading_a_packed_model_copies_none_of_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let large = std::env::var("POLYFORMER_MODEL_MIB").map_or(64, |mib| mib.parse().unwrap());
    for weights in [Weights::F16, Weights::Int8] {
        let [(few, small), (more, size)] = [16, large].map(|mib| {
            write_large(&path, mib, weights);
            (allocated(&path).0, std::fs::metadata(&path).unwrap().len() as usize)
        });
        let copied = more.saturating_sub(few);
        assert!(
            size > small + (16 << 20) && copied * 100 < size - small,
            "{copied} bytes more for {} more",
            size - small
        );
        let mapped = Mapped::open(&path).unwrap();
        let start = Instant::now();
        let digest = blake3::Hasher::new().update_rayon(mapped.bytes()).finalize();
        let hashed = start.elapsed().as_secs_f64();
        println!(
            "{weights:?}: {size} bytes, {more} allocated, read in {:.3} s; BLAKE3 alone, {digest}, takes {hashed:.3} s",
            allocated(&path).1
        );
    }
}
