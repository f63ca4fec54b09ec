//! The memory of a client after its work: no copy of the seed, of the secret polynomial, or of a message is left. The
//! test reads the writable memory of its own process. The test has a process of its own, so that no other test holds
//! secrets meanwhile. `released.rs` looks at memory that the process gives back.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test that cannot go on has failed

use polyformer::{
    files::Body,
    keys::{KeyFolder, KeySpec, generate, secret::Secret},
    machine::{BackendKind, ComputeTarget, Host},
    session::{
        cipher::{self, EncryptionKey},
        private::hazmat::expose,
    },
    spec::SpecBuf,
};
use polyformer_kernel::wipe::{SecretRng, on_a_clean_stack};
use rand_core::Rng;
use sought::{Sought, secrets};
use std::io::{Read, Seek, SeekFrom};
use zeroize::Zeroizing;

#[path = "residue/sought.rs"]
mod sought;

/// Where each of `sought` lies in the writable memory of this process.
fn found(sought: &[Sought]) -> Vec<(&'static str, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
    let overlap = sought.iter().map(|sought| sought.masked.len()).max().unwrap() - 1;
    let mut window = Zeroizing::new(vec![0; 1 << 20]);
    let own = window.as_ptr() as u64..window.as_ptr() as u64 + window.len() as u64;
    let mut places = Vec::new();
    for map in maps.lines() {
        let mut fields = map.split_whitespace();
        let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
        let name = fields.nth(3).unwrap_or("anonymous");
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
        if !access.starts_with("rw") || name.starts_with("[v") {
            continue;
        }
        let mut at = start;
        while at < end {
            let length = window.len().min((end - at) as usize);
            memory.seek(SeekFrom::Start(at)).unwrap();
            if memory.read_exact(&mut window[..length]).is_err() {
                break; // a page that the system does not give out
            }
            for sought in sought {
                let here = sought.places(&window[..length]).map(|i| at + i as u64).filter(|i| !own.contains(i));
                places.extend(here.map(|i| (sought.name, format!("{name} at {i:#x}, {} from the end", end - i))));
            }
            at += if length > overlap && at + (length as u64) < end { length - overlap } else { length } as u64;
        }
    }
    places.sort();
    places.dedup();
    places
}

fn count(name: &str, places: &[(&'static str, String)]) -> usize {
    places.iter().filter(|(found, _)| *found == name).count()
}

/// Makes a key, encrypts, decrypts, and drops everything.
fn work_of_a_client(on: ComputeTarget) {
    let spec = SpecBuf::preset("L13").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyFolder::new(folder.path());
    let secret = Secret::generate(spec).unwrap();
    secret.write(&keys.secret, false).unwrap();
    drop(secret);

    let secret = Secret::read(&keys.secret).unwrap();
    let host = Host::new(secret.params.clone());
    let values = Zeroizing::new((0..200).map(|i| 1000.0 + i as f64 / 3.0).collect::<Vec<f64>>());
    let mut sought = on_a_clean_stack::<65536, _>(|| secrets(&host, &secret, &values));
    let now = found(&sought);
    assert_eq!((count("seed", &now), count("message", &now)), (1, 1), "the search sees what is held: {now:#?}");
    assert_eq!(now.len(), 2, "before any job: {now:#?}");

    std::fs::create_dir(&keys.eval).unwrap();
    generate(&host, on, &secret, &[KeySpec::Relin(1), KeySpec::Public], (&keys.eval, false), || ()).unwrap();
    let level = host.params().max_message_level();
    let encrypted = cipher::encrypt(&host, on, &EncryptionKey::Secret(&secret), &values, level, &|| ()).unwrap();
    let Body::Ciphertext(meta) = encrypted.header.body else { panic!("a ciphertext") };
    let words: Vec<&[u32]> = encrypted.tensors.iter().map(|words| &words[..]).collect();
    let private = cipher::decrypt_words(&host, on, &secret, &words, meta, &|| ()).unwrap();
    assert!((expose(&private)[70] - values[70]).abs() < 1e-3);
    sought.push(Sought::new("answer", expose(&private)[50..58].iter().flat_map(|x| x.to_le_bytes())));
    let now = found(&sought);
    assert_eq!((count("seed", &now), count("answer", &now)), (1, 1), "while the key is held: {now:#?}");
    drop((private, values, secret, host));
    let left = found(&sought);
    assert!(left.is_empty(), "{} left {left:#?}", on.backend);
    drop(encrypted);
}

#[test]
fn nothing_secret_is_left_in_memory() {
    // a generator, alone: its state holds the seed. A vector, because a move of an array would leave a copy
    let seed = Zeroizing::new((0..32).map(|i| 7 * i + 1).collect::<Vec<u8>>());
    let sought = [Sought::new("seed", seed.iter().copied())];
    let make = || Box::new(SecretRng::from_seed(seed[..].try_into().unwrap()));
    let rng = on_a_clean_stack::<65536, _>(|| {
        let mut rng = make();
        rng.next_u64();
        rng
    });
    let now = found(&sought);
    assert_eq!(now.len(), 2, "{now:#?}");
    on_a_clean_stack::<65536, _>(|| drop(rng));
    drop(seed);
    assert_eq!(found(&sought), []);

    work_of_a_client(ComputeTarget::cpu(2));
    work_of_a_client(ComputeTarget::cpu(1));
    work_of_a_client(ComputeTarget { backend: BackendKind::Scalar, ..ComputeTarget::cpu(1) });
}
