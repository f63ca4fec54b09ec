//! Memory that a client gives back holds no secret: each block of the heap before it is freed, each mapping before it is
//! unmapped. `residue.rs` cannot see such memory, because the system has it by the end of the work. The allocator and
//! `munmap` of this program search what they are given. A vector that grows counts as a block that is freed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, unsafe_code)] // a test that cannot go on has failed; an allocator is unsafe

use polyformer::{
    files::{Body, input, numbers, text},
    keys::{KeyFolder, KeySpec, embedded, generate, secret::Secret},
    machine::{BackendKind, ComputeTarget, Host},
    model::Pretrained,
    session::{
        Client, Padding,
        cipher::{self, EncryptionKey},
    },
    spec::SpecBuf,
};
use polyformer_kernel::nn::slot_engine::Layout;
use sought::{Sought, secrets};
use std::{
    alloc::{GlobalAlloc, Layout as Shape, System},
    ffi::{c_int, c_void},
    sync::{
        RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use zeroize::Zeroizing;

#[path = "residue/sought.rs"]
mod sought;

/// What is searched for now.
static SOUGHT: RwLock<Vec<Sought>> = RwLock::new(Vec::new());
/// Blocks and mappings that were searched.
static SEARCHED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
/// Places where each of the sought bytes was found, in blocks and in mappings, and the length of the last such block.
static FOUND: [[AtomicUsize; 3]; 16] = [const { [const { AtomicUsize::new(0) }; 3] }; 16];

/// The shortest mapping that is searched, in bytes: a limb of L13. The signal stacks of the standard library are shorter,
/// and have a page that cannot be read.
const LEAST: usize = 1 << 15;

/// Searches memory that is about to be given back. A mapping may be of the file of the key, whose seed stays in the file.
fn search(memory: &[u8], mapping: bool) {
    let Ok(sought) = SOUGHT.try_read() else { return };
    if sought.is_empty() || memory.len() < 32 {
        return;
    }
    SEARCHED[mapping as usize].fetch_add(1, Relaxed);
    for (i, sought) in sought.iter().enumerate().filter(|(_, sought)| !mapping || sought.name != "seed") {
        if sought.places(memory).next().is_some() {
            FOUND[i][mapping as usize].fetch_add(1, Relaxed);
            FOUND[i][2].store(memory.len(), Relaxed);
        }
    }
}

/// The allocator of the system, with a search before each release. Every byte of a block is initialised.
struct Searching;

// SAFETY: every call goes to the allocator of the system with the same arguments.
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, shape: Shape) -> *mut u8 {
        // SAFETY: of the caller.
        unsafe { System.alloc_zeroed(shape) }
    }

    unsafe fn alloc_zeroed(&self, shape: Shape) -> *mut u8 {
        // SAFETY: of the caller.
        unsafe { System.alloc_zeroed(shape) }
    }

    unsafe fn dealloc(&self, block: *mut u8, shape: Shape) {
        // SAFETY: the caller gives a block of this length, which nobody else uses any more.
        search(unsafe { std::slice::from_raw_parts(block, shape.size()) }, false);
        // SAFETY: of the caller.
        unsafe { System.dealloc(block, shape) }
    }
}

#[global_allocator]
static ALLOCATOR: Searching = Searching;

/// `munmap` of this program, which the linker prefers to the function of the system.
///
/// # Safety
/// That of `munmap`.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(at: *mut c_void, length: usize) -> c_int {
    if length >= LEAST {
        // SAFETY: the caller gives a mapping of this length, and the tools make readable ones.
        search(unsafe { std::slice::from_raw_parts(at.cast(), length) }, true);
    }
    // SAFETY: of the caller.
    unsafe { nix::libc::syscall(nix::libc::SYS_munmap, at, length) as c_int }
}

/// Searches for these bytes from now on.
fn search_for(sought: Vec<Sought>) {
    assert!(sought.len() <= FOUND.len());
    FOUND.iter().flatten().chain(&SEARCHED).for_each(|count| count.store(0, Relaxed));
    drop(std::mem::replace(&mut *SOUGHT.write().unwrap(), sought));
}

/// Where the bytes were found.
fn found() -> Vec<String> {
    let sought = SOUGHT.read().unwrap();
    let places = sought.iter().zip(&FOUND).filter(|(_, [heap, maps, _])| heap.load(Relaxed) + maps.load(Relaxed) > 0);
    let say = |(sought, [heap, maps, length]): (&Sought, &[AtomicUsize; 3])| {
        let [heap, maps, length] = [heap, maps, length].map(|count| count.load(Relaxed));
        format!("{} in {heap} blocks and {maps} mappings, the last of {length} bytes", sought.name)
    };
    places.map(say).collect()
}

/// Makes keys, encrypts and decrypts.
fn work_of_a_client(on: ComputeTarget) {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyFolder::new(folder.path());
    std::fs::create_dir(&keys.eval).unwrap();
    Secret::generate(SpecBuf::preset("L13").unwrap()).unwrap().write(&keys.secret, false).unwrap();
    let secret = Secret::read(&keys.secret).unwrap();
    let host = Host::new(secret.params.clone());
    let values = Zeroizing::new((0..200).map(|i| 1000.0 + i as f64 / 3.0).collect::<Vec<f64>>());
    search_for(secrets(&host, &secret, &values));

    generate(&host, on, &secret, &[KeySpec::Relin(1), KeySpec::Public], (&keys.eval, false), || ()).unwrap();
    let level = host.params().max_message_level();
    let encrypted = cipher::encrypt(&host, on, &EncryptionKey::Secret(&secret), &values, level, &|| ()).unwrap();
    let Body::Ciphertext(meta) = encrypted.header.body else { panic!("a ciphertext") };
    let words: Vec<&[u32]> = encrypted.tensors.iter().map(|words| &words[..]).collect();
    drop(cipher::decrypt_words(&host, on, &secret, &words, meta, &|| ()).unwrap());
    drop((values, secret));
    let [blocks, mappings] = SEARCHED.each_ref().map(|count| count.load(Relaxed));
    assert!(blocks > 10 && (mappings > 2 || on.backend == BackendKind::Scalar), "{blocks} blocks, {mappings} mappings");
    assert_eq!(found(), [""; 0], "{}", on.backend);
}

/// The key between two rings, and a question: the rows of the text's tokens.
fn work_of_a_small_client() {
    let model = Pretrained::open(None).unwrap();
    let [large, small] = ["B16", "C12"].map(|name| Secret::generate(SpecBuf::preset(name).unwrap()).unwrap());
    let host = Host::new(small.params.clone());
    let ids = Zeroizing::new(model.text.tokens("I think someone used my card").unwrap());
    let layout = Layout::new(&[ids.len()], model.model.width, model.model.heads, host.params().slots()).unwrap();
    let rows = Zeroizing::new(model.text.embed(&ids));
    let mut sought = secrets(&host, &small, &rows);
    sought.push(Sought::new("large seed", large.seed.expose().iter().copied()));
    drop(rows);
    search_for(sought);
    let client = Client::new(&host, ComputeTarget::cpu(2), &small, &model.text);
    let shown = Padding::None.shown(ids.len(), &model.model).unwrap();
    client.ask(&layout, &ids, shown, &model.model).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wide = Host::new(large.params.clone());
    embedded::generate(&wide, ComputeTarget::cpu(2), &large, &small, (folder.path(), false)).unwrap();
    drop((large, small));
    assert_eq!(found(), [""; 0]);
}

/// Numbers from text, in every encoding.
fn work_of_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<f64> = (0..3000).map(|i| 1000.0 + i as f64 / 7.0).collect();
    let text: String = numbers.iter().map(|x| format!("{x}\n")).collect();
    let marked = format!("\u{feff}{text}");
    let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files = [text.as_bytes(), marked.as_bytes(), &wide].map(|bytes| {
        let path = folder.path().join(bytes.len().to_string());
        std::fs::write(&path, bytes).unwrap();
        path
    });
    let sought = vec![
        Sought::new("numbers", numbers[..8].iter().flat_map(|x| x.to_le_bytes())),
        Sought::new("later numbers", numbers[2000..2008].iter().flat_map(|x| x.to_le_bytes())),
        Sought::new("text", text.bytes().skip(4000).take(40)),
    ];
    drop((Zeroizing::new(text), Zeroizing::new(marked), Zeroizing::new(wide)));
    search_for(sought);
    for path in files {
        let text = Zeroizing::new(text::decode(input::read(&path, input::MAX_TEXT).unwrap()).unwrap());
        assert_eq!(*Zeroizing::new(numbers::parse(&text).unwrap()), numbers);
    }
    drop(Zeroizing::new(numbers));
    assert_eq!(found(), [""; 0]);
}

#[test]
fn memory_that_is_given_back_holds_no_secret() {
    // the search finds what is there
    let bytes: Vec<u8> = (0..48).map(|i| 5 * i + 1).collect();
    search_for(vec![Sought::new("bytes", bytes.iter().copied())]);
    drop(vec![bytes.clone(), bytes.clone()]);
    let mut map = memmap2::MmapMut::map_anon(1 << 21).unwrap();
    map[4096..4096 + 48].copy_from_slice(&bytes);
    drop(map);
    assert_eq!(found(), ["bytes in 2 blocks and 1 mappings, the last of 2097152 bytes"]);

    work_of_a_client(ComputeTarget::cpu(2));
    work_of_a_client(ComputeTarget::cpu(1));
    work_of_a_client(ComputeTarget { backend: BackendKind::Scalar, ..ComputeTarget::cpu(1) });
    work_of_a_small_client();
    work_of_a_reader();
}
