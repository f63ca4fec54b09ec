//! An output destroys nothing that is not its own older version, and is tried before the work. Each test is one kind of
//! thing that an output may meet: a key, a link, a device, an input, another format, another process, a full disk.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::files::{Access, FileError, Form, Kind, Output};
use polyformer_tests::command::{Folder, Program};
use std::{
    ffi::OsStr,
    fs,
    ops::Deref,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

fn good(args: &[&str], stdin: &str) -> String {
    POLYFORMER.good(args, stdin)
}

fn bad(args: &[&str], stdin: &str) -> String {
    POLYFORMER.bad(args, stdin)
}

/// Whether a decrypted number is this one.
fn near(text: &str, x: f64) -> bool {
    (text.trim().parse::<f64>().unwrap() - x).abs() < 1e-5
}

/// A folder with a key of C12, a ciphertext and a parameter file.
struct Place(Folder<TempDir>);

impl Deref for Place {
    type Target = Folder<TempDir>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Place {
    fn new() -> Self {
        let place = Self(Folder(tempfile::tempdir().unwrap()));
        good(&["keygen", "--preset", "C12", "--public", "--out", &place.at("k")], "");
        good(&["encrypt", "-", "--key", &place.at("k/secret.safetensors"), "--out", &place.at("x")], "0.5 -0.25");
        good(&["params", "--preset", "C12", "--out", &place.at("p")], "");
        place
    }

    fn encrypt_to(&self, out: &str) -> String {
        bad(&["encrypt", "-", "--key", &self.at("k/secret.safetensors"), "--out", &self.at(out)], "1")
    }

    /// Every name below the folder with its contents; links and other things without.
    fn snapshot(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let (mut out, mut folders) = (Vec::new(), vec![self.path("")]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let (entry, path) = entry.map(|e| (e.file_type().unwrap(), e.path())).unwrap();
                match (entry.is_dir(), entry.is_file()) {
                    (true, _) => folders.push(path),
                    (_, file) => out.push((path.clone(), file.then(|| fs::read(path).unwrap()))),
                }
            }
        }
        out.sort();
        out
    }
}

#[test]
fn no_command_writes_over_what_is_not_its_own_older_version() {
    let place = Place::new();
    let key = place.at("k/secret.safetensors");
    fs::write(place.path("notes.txt"), "by hand\n").unwrap();
    fs::write(place.path("picture.svg"), "<svg/>").unwrap();
    fs::write(place.path("values"), "0.5\n0.25\n").unwrap();
    fs::hard_link(&key, place.path("other-name")).unwrap();
    symlink(&key, place.path("link")).unwrap();
    symlink(place.path("nothing"), place.path("dangling")).unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    nix::unistd::mkfifo(&place.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for folder in ["wrong", "wrong/eval"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    fs::write(place.path("wrong/secret.safetensors"), "by hand").unwrap();
    fs::write(place.path("wrong/.polyformer.lock"), "").unwrap();
    let before = place.snapshot();
    let (x, p, values) = (place.at("x"), place.at("p"), place.at("values"));
    for (name, why) in [
        ("k/secret.safetensors", "an input of this command"),
        ("other-name", "an input of this command"),
        ("link", "an input of this command"),
        ("k/eval/public.safetensors", "a public-key file of key"),
        ("p", "a params file is there"),
        ("notes.txt", "a file of another format"),
        ("dangling", "a link to nothing"),
        ("folder", "a folder, where a plain file"),
        ("folder/", "a folder, where a plain file"),
        ("pipe", "a pipe, where a plain file"),
        ("../../../../../../../../dev/null", "a device, where a plain file"),
        ("missing/x", "the folder "),
        ("notes.txt/x", "Not a directory"),
    ] {
        let line = place.encrypt_to(name);
        assert!(line.contains(why), "{name}: {line}");
    }
    let secret = ["--key", &key];
    for (args, why) in [
        (vec!["encrypt", &values, secret[0], secret[1], "--out", &values], "an input of this command"),
        (vec!["decrypt", &x, secret[0], secret[1], "--out", &x], "an input of this command"),
        (vec!["decrypt", &x, secret[0], secret[1], "--out", &key], "an input of this command"),
        (vec!["decrypt", &x, secret[0], secret[1], "--out", &values], "a file of another format"), // others can read it
        (vec!["params", "--params", &p, "--out", &p], "an input of this command"),
        (vec!["params", "--preset", "C12", "--out", &key], "a secret-key file of key"),
        (vec!["pack", "--out", &key], "a secret-key file of key"),
        (vec!["pack", "--out", &x], "a ciphertext file of key"),
        (vec!["calibrate", "--preset", "L13", "--out", &key], "a secret-key file of key"),
        (vec!["calibrate", "--preset", "L13", "--out", &values], "a file of another format"),
        (vec!["compare", "--svg", &place.at("picture.svg")], "a file of another format"),
        (vec!["compare", "--svg", &x], "a ciphertext file of key"),
        (vec!["keygen", "--preset", "C12", "--out", &place.at("k")], "a secret key is there"),
        (
            vec!["keygen", "--preset", "C12", "--force", "--out", &place.at("wrong")],
            "a file of another format is there",
        ),
        (vec!["keygen", "--preset", "C12", "--force", "--seed", &key, "--out", &place.at("k")], "32 are needed"),
        (vec!["keygen", "--preset", "B16", "--force", "--embedded", &key, "--out", &place.at("k")], "an input of this"),
    ] {
        let line = bad(&args, "");
        assert!(line.contains(why), "{args:?}: {line}");
    }
    assert!(place.snapshot() == before, "something was changed, made or removed");
}

#[test]
fn an_older_version_is_replaced_and_its_link_and_mode_stay() {
    let place = Place::new();
    let key = place.at("k/secret.safetensors");
    symlink(place.path("x"), place.path("link")).unwrap();
    fs::set_permissions(place.path("x"), fs::Permissions::from_mode(0o600)).unwrap();
    good(&["encrypt", "-", "--key", &key, "--out", &place.at("link")], "7");
    assert!(place.path("link").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::metadata(place.path("x")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(near(&good(&["decrypt", &place.at("x"), "--key", &key], ""), 7.0));
    let numbers = place.at("numbers");
    for _ in 0..2 {
        good(&["decrypt", &place.at("x"), "--key", &key, "--out", &numbers], "");
    }
    assert_eq!(fs::metadata(&numbers).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(place.path("empty"), "").unwrap();
    for _ in 0..2 {
        good(&["params", "--preset", "L13", "--out", &place.at("empty")], "");
    }
    fs::set_permissions(place.path("empty"), fs::Permissions::from_mode(0o444)).unwrap();
    assert!(bad(&["params", "--preset", "L13", "--out", &place.at("empty")], "").contains("read-only"));
}

#[test]
fn every_name_that_the_system_allows_is_a_name() {
    let place = Place::new();
    let key = place.at("k/secret.safetensors");
    let long = "n".repeat(255);
    for name in
        [&b"with blanks"[..], b"new\nline", b"\xff\xfe", "ü☃".as_bytes(), b"-dash", b"'\"$(x)`", long.as_bytes()]
    {
        let out = place.path(OsStr::from_bytes(name));
        let args = [OsStr::new("encrypt"), OsStr::new("-"), OsStr::new("--key"), OsStr::new(&key), OsStr::new("--out")];
        for _ in 0..2 {
            POLYFORMER.good(&[&args[..], &[out.as_os_str()]].concat(), "1.5");
        }
        let back = ["decrypt".as_ref(), out.as_os_str(), "--key".as_ref(), OsStr::new(&key)];
        assert!(near(&POLYFORMER.good(&back, ""), 1.5), "{name:?}");
        let damaged = fs::read(&out).unwrap();
        fs::write(&out, &damaged[..100]).unwrap();
        assert!(!POLYFORMER.bad(&back, "").contains('\n'), "{name:?}");
    }
}

#[test]
fn standard_output_is_an_output_and_the_report_goes_elsewhere() {
    let place = Place::new();
    let key = place.at("k/secret.safetensors");
    for name in ["-", "/dev/stdout"] {
        let out = POLYFORMER.run(&["encrypt", "-", "--key", &key, "--out", name], "3");
        assert!(out.status.success() && String::from_utf8_lossy(&out.stderr).contains("1 values at level"));
        fs::write(place.path("from-stdout"), &out.stdout).unwrap();
        assert!(near(&good(&["decrypt", &place.at("from-stdout"), "--key", &key], ""), 3.0));
    }
    assert!(good(&["compare", "--length", "16", "--variant", "sigma_relu", "--svg", "-"], "").starts_with("<svg"));
    assert!(bad(&["pack", "--out", "-"], "").starts_with("--out -: "));
    let out = POLYFORMER.run(&["params", "--preset", "C12", "--out", "-"], "").stdout;
    assert!(String::from_utf8_lossy(&out).contains("\"kind\":\"params\""));
}

#[test]
fn a_killed_writer_leaves_the_good_file_and_the_next_run_cleans_up() {
    let place = Place::new();
    let key = place.at("k/secret.safetensors");
    let before = fs::read(place.path("x")).unwrap();
    // standard input stays open, so the command waits with its output reserved
    let args = ["encrypt", "-", "--key", &key, "--out", &place.at("x")];
    let mut child = Command::new(POLYFORMER.0).args(args).stdin(Stdio::piped()).spawn().unwrap();
    let names = || place.names("").into_iter();
    let temporary = || names().filter(|n| n.ends_with(".tmp")).count();
    while temporary() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let line = bad(&args, "2");
    assert!(line.contains("another process is writing here now"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((fs::read(place.path("x")).unwrap() == before, temporary()), (true, 1));
    good(&args, "2");
    assert_eq!(temporary(), 0);
    assert!(fs::read(place.path("x")).unwrap() != before);
}

#[test]
fn of_two_key_generations_in_one_folder_one_makes_all_keys() {
    let place = Folder(tempfile::tempdir().unwrap());
    for i in 0..4 {
        let out = place.at(&format!("two{i}"));
        let start = || {
            let args = ["keygen", "--preset", "L13", "--public", "--rotations", "powers", "--out", &out];
            Command::new(POLYFORMER.0).args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let ends = [start(), start()].map(|child| child.wait_with_output().unwrap());
        assert_eq!(ends.iter().filter(|end| end.status.success()).count(), 1);
        let files = fs::read_dir(format!("{out}/eval")).unwrap().map(|e| e.unwrap().path());
        let key = |path: &Path| {
            let facts = good(&["inspect", path.to_str().unwrap(), "--json"], "");
            serde_json::from_str::<serde_json::Value>(&facts).unwrap()["key"].to_string()
        };
        let secret = key(Path::new(&format!("{out}/secret.safetensors")));
        let all: Vec<String> = files.map(|path| key(&path)).collect();
        assert!(all.len() == 14 && all.iter().all(|k| *k == secret), "{secret}: {all:?}");
    }
}

#[test]
fn keys_of_a_killed_generation_are_whole_and_completed_and_two_runs_may_add_keys() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (out, secret) = (place.at("k"), place.at("k/secret.safetensors"));
    let args = ["keygen", "--preset", "L13", "--public", "--rotations", "powers", "--out", &out];
    let mut child = Command::new(POLYFORMER.0).args(args).stdout(Stdio::null()).spawn().unwrap();
    let keys = || fs::read_dir(place.path("k/eval")).map_or(0, |files| files.count());
    while keys() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let start = |rotations: &str| {
        let args = ["keygen", "--secret", &secret, "--public", "--rotations", rotations, "--out", &out];
        Command::new(POLYFORMER.0).args(args).stdout(Stdio::null()).spawn().unwrap()
    };
    let runs = [start("powers"), start("3,powers")].map(|mut child| child.wait().unwrap());
    assert!(runs.iter().all(|status| status.success()));
    for entry in fs::read_dir(place.path("k/eval")).unwrap() {
        good(&["inspect", entry.unwrap().path().to_str().unwrap()], "");
    }
    assert_eq!(keys(), 15);
}

#[test]
fn a_limit_on_the_length_of_files_is_told_before_the_work() {
    let place = Place::new();
    let before = place.snapshot();
    let line = |command: String| {
        let out = Command::new("bash").args(["-c", &command]).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{command}");
        String::from_utf8(out.stderr).unwrap()
    };
    let (program, key) = (POLYFORMER.0, place.at("k/secret.safetensors"));
    let encrypt = format!("ulimit -f 8; echo 1 | {program} encrypt - --key {key} --out {}", place.at("y"));
    assert!(line(encrypt).contains("bytes are needed and 8192 are free"));
    let keygen = format!("ulimit -f 8; {program} keygen --preset L13 --out {}", place.at("k"));
    assert!(line(keygen).contains("a secret key is there"));
    let keygen = format!("ulimit -f 8; {program} keygen --preset L13 --out {}", place.at("k2"));
    assert!(line(keygen).contains("bytes are needed and 8192 are free"));
    fs::remove_dir_all(place.path("k2")).unwrap();
    assert!(place.snapshot() == before);
    assert!(line(format!("{program} params --preset L13 > /dev/full")).contains("standard output: No space left"));
    assert!(line(format!("{program} params --preset L13 --out - > /dev/full")).contains("No space left"));
}

#[test]
fn an_output_that_appears_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let reserve = || Output::at(&path, Form::File(Kind::Params), Access::Shared, &[]);
    let output = reserve().unwrap();
    assert!(matches!(reserve(), Err(FileError::Busy)));
    fs::write(&path, "by hand").unwrap();
    assert!(matches!(output.write(|file| file.write_all(b"new")), Err(FileError::Changed)));
    assert_eq!(fs::read(&path).unwrap(), b"by hand");
    fs::write(&path, "").unwrap();
    let output = reserve().unwrap();
    fs::write(&path, "by hand").unwrap();
    assert!(matches!(output.write(|file| file.write_all(b"new")), Err(FileError::Changed)));
    fs::write(&path, "").unwrap();
    let failed = reserve().unwrap().write(|_| Err(std::io::Error::other("no")));
    assert!(failed.is_err() && fs::read(&path).unwrap().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[path = "outputs/cache.rs"]
mod cache;
