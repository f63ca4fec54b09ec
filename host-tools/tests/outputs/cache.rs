//! A folder of keys that several processes complete: the keys of products and of the rotation by 1.

use super::*;
use polyformer::{
    keys::{KeyFolder, KeySpec, store::KeyEvent},
    machine::{ComputeTarget, Host, Job},
    session::load_keys,
    spec::SpecBuf,
};
use polyformer_kernel::backend::Backend;

struct Load<'a>(&'a KeyFolder, &'a [KeySpec], &'a polyformer::files::Header);

impl Job for Load<'_> {
    type Output = ();
    fn run<B: Backend>(self, mut be: B) -> polyformer::Result<()> {
        load_keys(&mut be, &self.0.eval, self.1, self.2, || ()).map(drop)
    }
}

#[test]
fn a_damaged_key_is_made_again_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, spec) = (KeyFolder::new(folder.path()), SpecBuf::preset("L13").unwrap());
    let host = Host::new(spec.params().unwrap());
    let on = ComputeTarget::cpu(1);
    let wants = [KeySpec::Relin(1), KeySpec::Galois(host.params().galois(1), 1)];
    let complete = |events: &mut Vec<String>| {
        let mut event = |event: KeyEvent<'_>| match event {
            KeyEvent::Made { .. } => {}
            KeyEvent::Damaged(path) => events.push(path.file_name().unwrap().to_str().unwrap().into()),
            KeyEvent::Waiting(_) => {} // for a lock that the child of another test inherited, until it runs its program
        };
        keys.complete(&host, on, &spec, &wants, &mut event).unwrap()
    };
    let mut events = Vec::new();
    let secret = complete(&mut events);
    let path = keys.eval.join(wants[1].file_name());
    let whole = fs::read(&path).unwrap();
    for contents in [&whole[..whole.len() - 1], &whole[..50], &[0; 5000], b""] {
        fs::write(&path, contents).unwrap();
        complete(&mut events);
        host.run(on, Load(&keys, &wants, &secret.header)).unwrap();
    }
    assert_eq!(events, [wants[1].file_name(), wants[1].file_name(), wants[1].file_name(), wants[1].file_name()]);
    fs::write(&path, &whole[..100]).unwrap(); // told before another key is loaded, whose words are damaged
    let relin = keys.eval.join(wants[0].file_name());
    let good = fs::read(&relin).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&relin, &bad).unwrap();
    let fault = host.run(on, Load(&keys, &wants, &secret.header)).unwrap_err();
    assert!(fault.to_string().contains("100 bytes where the header says "), "{fault}");
    fs::write(&relin, &good).unwrap();
    fs::write(&path, &whole).unwrap();
    let mut spoiled = fs::read(&path).unwrap();
    *spoiled.last_mut().unwrap() ^= 1; // the header is right, a word is not
    fs::write(&path, &spoiled).unwrap();
    complete(&mut events);
    let fault = host.run(on, Load(&keys, &wants, &secret.header)).unwrap_err();
    let again =
        "remove the file, and `polyformer keygen --secret SECRET --rotations 1 --level 1 --out KEYS` makes it again";
    assert!(fault.to_string().contains("contents have digest ") && fault.to_string().ends_with(again), "{fault}");
    let mut said = Vec::new();
    let mut event = |event: KeyEvent<'_>| said.push(matches!(event, KeyEvent::Damaged(p) if p == path));
    keys.repair(&host, on, (&secret, &wants), fault, &mut event).unwrap();
    assert!(said[0] && events.len() == 4, "{events:?}");
    host.run(on, Load(&keys, &wants, &secret.header)).unwrap();
    let other = polyformer::Error::usage("a", "b");
    assert!(keys.repair(&host, on, (&secret, &wants), other, &mut |_| ()).is_err());
}

#[test]
fn several_writers_of_one_folder_of_keys_leave_the_keys_of_one_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, spec) = (KeyFolder::new(folder.path()), SpecBuf::preset("L13").unwrap());
    let host = Host::new(spec.params().unwrap());
    let wants = [KeySpec::Relin(1), KeySpec::Galois(host.params().galois(1), 1), KeySpec::Public];
    let made = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut event = |event: KeyEvent<'_>| {
                    if let KeyEvent::Made { done: 1, .. } = event {
                        made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                };
                let secret = keys.complete(&host, ComputeTarget::cpu(1), &spec, &wants, &mut event).unwrap();
                assert!(wants.iter().all(|want| want.is_met_by(&keys.eval.join(want.file_name()), &secret)));
            });
        }
    });
    assert_eq!(made.into_inner(), 1, "one of four made the keys");
}
