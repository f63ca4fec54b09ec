#!/usr/bin/env python3
"""Plants faults of the protocol in a copy of the tree, and runs the suites that should see each fault.

    scripts/protocol-mutants.py [--list] [NAME ...]

NAME is the name of a fault, or the beginning of one; all faults by default. `--list` prints the faults and runs nothing.

A fault is a replacement of text. In the replacement, FAULT is true when the environment variable POLYFORMER_FAULT has the
fault's name. The copy is therefore compiled once, and each run has one fault. A text that is not found exactly once ends the
program, so faults follow the code that they are in. The first run checks that the suites pass without a fault.

A suite that fails kills the fault. Prints a table, one line a fault. The exit status is 1 if a fault lives, 2 if a fault
cannot be planted or the copy does not compile. The build folder is target/protocol-mutants/build, or CARGO_TARGET_DIR.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "protocol-mutants"
TREE = WORK / "tree"
LIMIT_S = 900

# A suite: arguments of `cargo test --release`.
LEAVING = ("-p", "polyformer", "--test", "leaving")
RESIDUE = ("-p", "polyformer", "--test", "residue")
RELEASED = ("-p", "polyformer", "--test", "released")
KEYGEN = ("-p", "polyformer", "--test", "keygen")
PUBLISH = ("-p", "polyformer", "--test", "publish")
TOOLS = ("-p", "polyformer", "--lib")
KERNEL = ("-p", "polyformer-kernel", "--lib", "--features", "alloc")
SAMPLERS = ("-p", "polyformer-tests", "--test", "samplers")
DERIVATION = ("-p", "polyformer-tests", "--test", "derivation")
DEVICE = ("-p", "polyformer-tests", "--test", "device")

ENCRYPT = "kernel/src/ckks/encrypt.rs"
GADGET = "kernel/src/ckks/gadget.rs"
DERIVE = "kernel/src/ckks/derive.rs"
HEDGE = "kernel/src/ckks/hedge.rs"
WIPE = "kernel/src/wipe.rs"
RAISE = "kernel/src/ckks/raise/keys.rs"
SAMPLE = "kernel/src/ring/sample.rs"
SECURITY = "kernel/src/params/security.rs"
RANDOM = "host-tools/src/keys/random.rs"
SECRET = "host-tools/src/keys/secret.rs"
KEYS = "host-tools/src/keys.rs"
LOAD = "host-tools/src/load.rs"
OUTPUT = "host-tools/src/files/output.rs"
GENERATOR = "polyformer_kernel::wipe::SecretRng::from_seed"

# What FAULT means, and the function behind it.
IN_KERNEL, ELSEWHERE = 'crate::fault("{}")', 'polyformer_kernel::fault("{}")'
SWITCH = """
extern crate std as host;

/// Whether the environment asks for this fault.
pub fn fault(name: &str) -> bool {
    static ASKED: host::sync::OnceLock<host::string::String> = host::sync::OnceLock::new();
    ASKED.get_or_init(|| host::env::var("POLYFORMER_FAULT").unwrap_or_default()) == name
}
"""

# name: (what it means, suites, [(file, text, replacement), ...])
FAULTS = {
    "no-error-in-ciphertexts": (
        "ciphertexts of the client carry no error", [LEAVING],
        [(ENCRYPT, "        sample::error(rng, &mut coeffs);\n        Ok(Ciphertext { c: symmetric(",
          "        if !FAULT { sample::error(rng, &mut coeffs); }\n        Ok(Ciphertext { c: symmetric(")]),
    "no-error-in-keys": (
        "keys carry no error", [LEAVING],
        [(GADGET, "    sample::error(rng, &mut scratch);\n", "    if !FAULT { sample::error(rng, &mut scratch); }\n")]),
    "one-seed-for-ciphertexts": (
        "every ciphertext file has one public seed", [LEAVING],
        [(ENCRYPT, "        let seed = public_seed(rng);\n", "        let seed = if FAULT { [7; 32] } else { public_seed(rng) };\n")]),
    "one-seed-for-keys": (
        "every key has one public seed", [LEAVING],
        [(GADGET, "seed: public_seed(rng), next: 0", "seed: if FAULT { [7; 32] } else { public_seed(rng) }, next: 0")]),
    "one-item-for-ciphertexts": (
        "the ciphertexts of a file share their uniform half, in writer and reader", [LEAVING],
        [(ENCRYPT, "        self.items += 1;", "        self.items += !FAULT as u64;"),
         (LOAD, "uniform(params, UniformHalf::Ciphertext, 0, seed), item)?",
          "uniform(params, UniformHalf::Ciphertext, 0, seed), item * !FAULT as u64)?")]),
    "constant-generator": (
        "errors and the sparse secret come from a generator of constant state", [LEAVING],
        [(RANDOM, "    fill(&mut seed[..])?;\n", "    if FAULT { seed.fill(3) } else { fill(&mut seed[..])? }\n")]),
    "generator-restarts-for-each-key": (
        "every key of a process draws the same errors and seeds", [LEAVING],
        [(KEYS, "    let mut rng = random::generator()?;\n",
          "    static ONE: std::sync::OnceLock<[u8; 32]> = std::sync::OnceLock::new();\n"
          "    let drawn = *ONE.get_or_init(|| random::bytes().unwrap_or([1; 32]));\n"
          f"    let mut rng = if FAULT {{ {GENERATOR}(&drawn) }} else {{ random::generator()? }};\n")]),
    "few-random-bytes": (
        "the operating system gives 8 bytes, the others are zeros", [LEAVING],
        [(RANDOM, "getrandom::fill(out)", "getrandom::fill(out.split_at_mut(if FAULT { 8 } else { out.len() }).0)")]),
    "key-id-is-the-secret": (
        "the public id of a key is half of the secret", [LEAVING],
        [(SECRET, "    id.copy_from_slice(&hash.as_bytes()[..16]);\n",
          "    id.copy_from_slice(if FAULT { &seed.expose()[..16] } else { &hash.as_bytes()[..16] });\n")]),
    "half-the-variance": (
        "errors of 20 coin flips", [SAMPLERS, LEAVING],
        [(SAMPLE, "    const HALF: u64 = (1 << ERROR_MAX) - 1;\n    let bits",
          "    #[allow(non_snake_case)]\n    let HALF: u64 = if FAULT { (1 << 10) - 1 } else { (1 << ERROR_MAX) - 1 };\n    let bits")]),
    "one-sided-errors": (
        "errors have a mean", [SAMPLERS, LEAVING],
        [(SAMPLE, "(bits & HALF).count_ones() as i64 -", "(bits & HALF).count_ones() as i64 + FAULT as i64 -")]),
    "no-second-error-under-a-public-key": (
        "c1 of a public-key encryption has no error", [LEAVING],
        [(ENCRYPT, "    scratch.fill(0);\n    sample::error(rng, &mut scratch);\n",
          "    scratch.fill(0);\n    if !FAULT { sample::error(rng, &mut scratch); }\n")]),
    "sparse-weight": (
        "the ephemeral secret has weight 16", [LEAVING],
        [(RAISE, "SecretKey::expand_sparse(be, params, &ephemeral, SPARSE_WEIGHT, ",
          "SecretKey::expand_sparse(be, params, &ephemeral, if FAULT { 16 } else { SPARSE_WEIGHT }, ")]),
    "sparse-key-over-one-prime-more": (
        "the key to the sparse secret has three special primes, and its bound is not asked", [KERNEL, LEAVING],
        [(SECURITY, "        let specials = self.base.len() as u16;", "        let specials = self.base.len() as u16 + FAULT as u16;"),
         (SECURITY, "        self.check_key(KeySecret::Sparse(SPARSE_WEIGHT), basis)?;",
          "        if !FAULT { self.check_key(KeySecret::Sparse(SPARSE_WEIGHT), basis)?; }")]),
    "no-bound-of-keys": (
        "no key is over its bound", [KERNEL],
        [(SECURITY, "if log_qp <= bound { Ok(()) }", "if log_qp <= bound || FAULT { Ok(()) }")]),
    "weak-small-ring": (
        "a small ring of less security may hold the large secret", [KERNEL],
        [(SECURITY, "                if small < large {", "                if small < large && !FAULT {")]),
    "one-tag-for-two-kinds": (
        "the keys between two rings share a uniform half if their seeds are equal", [DERIVATION],
        [(DERIVE, "word(6, 0, 0)", "word(if FAULT { 5 } else { 6 }, 0, 0)")]),
    "no-parameter-set-in-derivations": (
        "one seed is one secret for every parameter set", [DERIVATION],
        [(DERIVE, "    let [a, b, c, d] = *params.fingerprint();", "    let [a, b, c, d] = if FAULT { [0; 4] } else { *params.fingerprint() };")]),
    "words-from-the-seed-itself": (
        "the secret is expanded from its seed without a derivation", [DERIVATION],
        [(DERIVE, "    derive(params, tag << 40, index, key);", "    if !FAULT { derive(params, tag << 40, index, key); }")]),
    "message-outside-the-hedge": (
        "a device that repeats its random bytes repeats its error for another message", [DERIVATION, DEVICE],
        [(HEDGE, "    rng.fill_bytes(&mut drawn[..]);\n",
          "    rng.fill_bytes(&mut drawn[..]);\n    let tag = if FAULT { Zeroizing::new([0; 2]) } else { tag };\n")]),
    "published-noise-is-constant": (
        "two published results carry one noise", [PUBLISH],
        [("host-tools/src/session/publish.rs", "            Some(receipt) => secret.noise_of(&receipt.id),",
          f"            Some(_) if FAULT => {GENERATOR}(&[5; 32]),\n            Some(receipt) => secret.noise_of(&receipt.id),")]),
    "noise-without-the-secret": (
        "the noise of a published result follows from public data", [TOOLS],
        [(SECRET, "h.update(self.seed.expose()).update(result)", "h.update(if FAULT { &[0; 32] } else { self.seed.expose() }).update(result)")]),
    "any-result-is-known": (
        "a result that was not counted is published as one that was", [PUBLISH],
        [("host-tools/src/keys/budget.rs", "record.results.contains(&id));", "record.results.contains(&id) || FAULT);")]),
    "any-small-client": (
        "keygen joins a second owner to a large secret", [KEYGEN],
        [("host-tools/src/files/record.rs", "*known != client", "!FAULT && *known != client")]),
    "key-for-everybody": (
        "a secret key that other users may read is used", [KEYGEN],
        [(SECRET, "    if mode & 0o077 == 0 {", "    if mode & 0o077 == 0 || FAULT {")]),
    "generator-stays": (
        "a generator of secrets leaves its state", [RESIDUE],
        [(WIPE, "        self.0 = ChaCha20Rng::from_seed([0; 32]);", "        if !FAULT { self.0 = ChaCha20Rng::from_seed([0; 32]); }")]),
    "stack-stays": (
        "the stack under a client's job keeps what was there", [RESIDUE],
        [(WIPE, "    overwrite::<BYTES>();", "    if !FAULT { overwrite::<BYTES>(); }")]),
    "buffers-stay": (
        "the buffers of a client's job are freed as they are", [RELEASED],
        [(WIPE, "        self.0.zeroize();", "        if !FAULT { self.0.zeroize(); }")]),
    "no-fsync": (
        "a file gets its name before it is on the disk", [TOOLS],
        [(OUTPUT, "                disk::sync(&temporary.file)?;", "                if !FAULT { disk::sync(&temporary.file)?; }")]),
    "no-fsync-of-the-folder": (
        "the name of a file is not on the disk when the command ends", [TOOLS],
        [(OUTPUT, "            let _ = disk::sync(&folder);", "            let _ = FAULT || disk::sync(&folder).is_ok();")]),
}


def run(suite, name=""):
    """The exit status and the output of a suite, with a fault; None as the status if the suite takes too long."""
    command = ["cargo", "test", "--release", "--quiet", *suite]
    env = {"CARGO_TARGET_DIR": str(WORK / "build"), "CARGO_INCREMENTAL": "1", **os.environ, "POLYFORMER_FAULT": name}
    try:
        done = subprocess.run(command, cwd=TREE, env=env, capture_output=True, text=True, timeout=LIMIT_S if name else None)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


def copy_tree(changed):
    """The files of the work tree that git knows or would add, with the faults. A file that did not change keeps its time."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, TREE / name
        contents = changed[name].encode() if name in changed else source.read_bytes()
        if not target.is_file() or target.read_bytes() != contents:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(contents)
            shutil.copymode(source, target)
    for path in TREE.rglob("*"):
        if path.is_file() and str(path.relative_to(TREE)) not in wanted:
            path.unlink()


def planted(faults):
    """The text of each changed file, with every fault behind its switch."""
    out = {"kernel/src/lib.rs": (ROOT / "kernel/src/lib.rs").read_text() + SWITCH}
    for name, (_, _, changes) in faults.items():
        for file, text, replacement in changes:
            before = out.get(file) or (ROOT / file).read_text()
            if before.count(text) != 1:
                fail(f"{name}: {file} has this text {before.count(text)} times, once is needed:\n{text}")
            switch = (IN_KERNEL if file.startswith("kernel/") else ELSEWHERE).format(name)
            out[file] = before.replace(text, replacement.replace("FAULT", switch))
    return out


def called(suite):
    """The name of a suite: of its test, or of the package whose unit tests run."""
    return suite[3] if suite[2] == "--test" else suite[1]


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def failing(output):
    """The tests that failed."""
    lines = output.splitlines()
    names = [line[5:].split(" stdout ")[0] for line in lines if line.startswith("---- ") and " stdout " in line]
    return ", ".join(name.split("::")[-1] for name in dict.fromkeys(names)) or "the suite"


def main():
    args = sys.argv[1:]
    names = [a for a in args if not a.startswith("--")]
    chosen = {n: f for n, f in FAULTS.items() if not names or any(n.startswith(p) for p in names)}
    if not chosen:
        fail(f"no fault is named {' or '.join(names)}")
    texts = planted(FAULTS)  # all of them, so that the copy is compiled once
    if "--list" in args:
        for name, (meaning, suites, _) in chosen.items():
            print(f"{name}: {meaning} [{', '.join(map(called, suites))}]")
        return
    copy_tree(texts)
    suites = list(dict.fromkeys(suite for _, of_fault, _ in FAULTS.values() for suite in of_fault))
    for suite in suites:
        status, output = run(suite)
        if status != 0:
            fail(f"without a fault, `cargo test {' '.join(suite)}` fails:\n{output[-4000:]}")
    alive = []
    print("| fault | what it means | killed by | seconds |\n|---|---|---|---|", flush=True)
    for name, (meaning, of_fault, _) in chosen.items():
        start, killers = time.monotonic(), []
        for suite in of_fault:
            status, output = run(suite, name)
            if status != 0:
                what = failing(output) if status is not None else f"no end in {LIMIT_S} s"
                killers.append(f"`{called(suite)}`: {what}")
        if not killers:
            alive.append(name)
        print(f"| {name} | {meaning} | {'; '.join(killers) or '**alive**'} | {time.monotonic() - start:.0f} |", flush=True)
    print(f"\n{len(chosen) - len(alive)} of {len(chosen)} faults are killed.")
    if alive:
        print(f"alive: {', '.join(alive)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
