#!/usr/bin/env python3
"""Plants faults of the protocol, one at a time, in a copy of the tree, and runs the suites that should see each fault.

    scripts/protocol-mutants.py [--list] [NAME ...]

NAME is the name of a fault, or the beginning of one; all faults by default. `--list` prints the faults and runs nothing. The
first run checks that the suites pass without a fault. A fault is a replacement of text. A text that is not found exactly once
ends the program, so a fault follows the code that it is in. A suite that fails kills the fault. Prints a table, one line a
fault. The exit status is 1 if a fault lives, 2 if a fault cannot be planted or does not compile.

The build folder is target/protocol-mutants/build, or CARGO_TARGET_DIR. A fault in the kernel takes some minutes on two cores.
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
LIMIT_S = 1200

# A suite: arguments of `cargo test --release`.
LEAVING = ["-p", "polyformer", "--test", "leaving"]
KEYGEN = ["-p", "polyformer", "--test", "keygen"]
TOOLS = ["-p", "polyformer", "--lib"]
KERNEL = ["-p", "polyformer-kernel", "--lib"]
SAMPLERS = ["-p", "polyformer-tests", "--test", "samplers"]
DERIVATION = ["-p", "polyformer-tests", "--test", "derivation"]
DEVICE = ["-p", "polyformer-tests", "--test", "device"]

ENCRYPT = "kernel/src/ckks/encrypt.rs"
GADGET = "kernel/src/ckks/gadget.rs"
DERIVE = "kernel/src/ckks/derive.rs"
HEDGE = "kernel/src/ckks/hedge.rs"
SAMPLE = "kernel/src/ring/sample.rs"
SECURITY = "kernel/src/params/security.rs"
RANDOM = "host-tools/src/keys/random.rs"
SECRET = "host-tools/src/keys/secret.rs"
KEYS = "host-tools/src/keys.rs"
WRITE = "host-tools/src/files/write.rs"

# name: (what it means, suites, [(file, text, replacement), ...])
FAULTS = {
    "no-error-in-ciphertexts": (
        "ciphertexts of the client carry no error", [LEAVING],
        [(ENCRYPT, "        sample::error(rng, coeffs);\n        let c = symmetric(", "        let _ = rng;\n        let c = symmetric(")]),
    "no-error-in-keys": (
        "keys carry no error", [LEAVING],
        [(GADGET, "    sample::error(rng, scratch);\n", "    let _ = rng;\n")]),
    "one-seed-for-ciphertexts": (
        "every ciphertext file has one public seed", [LEAVING],
        [(ENCRYPT, "        let seed = public_seed(rng);\n", "        let seed = [7; 32];\n        let _ = rng;\n")]),
    "one-seed-for-keys": (
        "every key has one public seed", [LEAVING],
        [(GADGET, "seed: public_seed(rng), next: 0", "seed: { let _ = rng; [7; 32] }, next: 0")]),
    "one-item-for-ciphertexts": (
        "the ciphertexts of a file share their uniform half, in writer and reader", [LEAVING],
        [(ENCRYPT, "        self.items += 1;", "        self.items += 0;"),
         ("host-tools/src/load.rs", "uniform(params, UniformHalf::Ciphertext, 0, seed), item)?", "uniform(params, UniformHalf::Ciphertext, 0, seed), item * 0)?")]),
    "constant-generator": (
        "errors and the sparse secret come from a generator of constant state", [LEAVING],
        [(RANDOM, "    let mut seed = bytes()?;\n", "    let mut seed = [3; 32];\n")]),
    "generator-restarts-for-each-key": (
        "every key of a process draws the same errors", [LEAVING],
        [(KEYS, "    let mut rng = random::generator()?;\n    let (switch",
          "    static ONE: std::sync::OnceLock<[u8; 32]> = std::sync::OnceLock::new();\n"
          "    let drawn = *ONE.get_or_init(|| random::bytes().unwrap_or([1; 32]));\n"
          "    let mut rng = <rand_chacha::ChaCha20Rng as rand_chacha::rand_core::SeedableRng>::from_seed(drawn);\n    let (switch")]),
    "few-random-bytes": (
        "the operating system gives 8 bytes, the others are zeros", [LEAVING],
        [(RANDOM, "getrandom::fill(&mut out)", "getrandom::fill(&mut out[..N.min(8)])")]),
    "key-id-is-the-secret": (
        "the public id of a key is half of the secret", [LEAVING],
        [(SECRET, "    id.copy_from_slice(&hash.as_bytes()[..16]);\n",
          "    let _ = hash;\n    id.copy_from_slice(&seed.expose()[..16]);\n")]),
    "half-the-variance": (
        "errors of 20 coin flips", [SAMPLERS, LEAVING],
        [(SAMPLE, "    const HALF: u64 = (1 << ERROR_MAX) - 1;", "    const HALF: u64 = (1 << 10) - 1;")]),
    "one-sided-errors": (
        "errors have a mean", [SAMPLERS, LEAVING],
        [(SAMPLE, "    (bits & HALF).count_ones() as i64 - ((bits >> ERROR_MAX) & HALF).count_ones() as i64",
          "    ((bits & HALF).count_ones() as i64 - ((bits >> ERROR_MAX) & HALF).count_ones() as i64).abs()")]),
    "no-second-error-under-a-public-key": (
        "c1 of a public-key encryption has no error", [LEAVING],
        [(ENCRYPT, "    sample::error(rng, scratch);\n", "")]),
    "sparse-weight": (
        "the ephemeral secret has weight 16", [LEAVING],
        [(SECURITY, "pub const SPARSE_WEIGHT: u32 = 32;", "pub const SPARSE_WEIGHT: u32 = 16;")]),
    "sparse-key-over-one-prime-more": (
        "the key to the sparse secret has three special primes, and its bound is not asked", [KERNEL, LEAVING],
        [(SECURITY, "        let specials = self.base.len() as u16;", "        let specials = self.base.len() as u16 + 1;"),
         (SECURITY, "        self.check_key(KeySecret::Sparse(SPARSE_WEIGHT), basis)?;", "")]),
    "no-bound-of-keys": (
        "no key is over its bound", [KERNEL],
        [(SECURITY, "if log_qp <= bound { Ok(()) }", "if log_qp <= bound + 1e9 { Ok(()) }")]),
    "weak-small-ring": (
        "a small ring of less security may hold the large secret", [KERNEL],
        [(SECURITY, "                if small < large {", "                if small == 0 && large > 0 {")]),
    "one-tag-for-two-kinds": (
        "the keys between two rings share a uniform half if their seeds are equal", [DERIVATION],
        [(DERIVE, "            Self::Lower => word(6, 0, 0),", "            Self::Lower => word(5, 0, 0),")]),
    "no-parameter-set-in-derivations": (
        "one seed is one secret for every parameter set", [DERIVATION],
        [(DERIVE, "chain(key, [DOMAIN, what, index, a, b, c, d]);", "chain(key, [DOMAIN, what, index, a * 0, b * 0, c * 0, d * 0]);")]),
    "words-from-the-seed-itself": (
        "the secret is expanded from its seed without a derivation", [DERIVATION],
        [(DERIVE, "    derive(params, tag << 40, index, key);", "    let _ = (params, tag, index, key);")]),
    "message-outside-the-hedge": (
        "a device that repeats its random bytes repeats its error for another message", [DERIVATION, DEVICE],
        [(HEDGE, "words(&drawn).into_iter().chain(tag)", "words(&drawn).into_iter().chain([tag[0] * 0, tag[1] * 0])")]),
    "no-fsync": (
        "a file is renamed before it is on the disk", [TOOLS],
        [(WRITE, "    file.sync_all()?;\n", "")]),
}


def run(suite, no_run=False):
    """The exit status and the output of a suite; None for a suite that takes too long."""
    command = ["cargo", "test", "--release", "--quiet", *suite, *(["--no-run"] if no_run else [])]
    env = {"CARGO_TARGET_DIR": str(WORK / "build"), "CARGO_INCREMENTAL": "1", **os.environ}
    try:
        done = subprocess.run(command, cwd=TREE, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


def copy_tree():
    """The files of the work tree that git knows or would add. A file that did not change keeps its time."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, TREE / name
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
    for path in TREE.rglob("*"):
        if path.is_file() and str(path.relative_to(TREE)) not in wanted:
            path.unlink()


def planted(name, changes):
    """The text of each file with the fault."""
    out = {}
    for file, text, replacement in changes:
        before = out.get(file) or (ROOT / file).read_text()
        if before.count(text) != 1:
            fail(f"{name}: {file} has this text {before.count(text)} times, once is needed:\n{text}")
        out[file] = before.replace(text, replacement)
    return out


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def failing(output):
    """The tests that failed, or the last line."""
    names = [line.split()[1] for line in output.splitlines() if line.startswith("test ") and line.endswith("FAILED")]
    names += [line.strip() for line in output.splitlines() if line.startswith("    ") and "::" not in line
              and line.strip().replace("_", "").isalnum() and "_" in line]
    return ", ".join(dict.fromkeys(names)) or "the suite"


def main():
    args = sys.argv[1:]
    names = [a for a in args if not a.startswith("--")]
    chosen = {n: f for n, f in FAULTS.items() if not names or any(n.startswith(p) for p in names)}
    texts = {name: planted(name, changes) for name, (_, _, changes) in chosen.items()}
    if not chosen:
        fail(f"no fault is named {' or '.join(names)}")
    if "--list" in args:
        for name, (meaning, suites, _) in chosen.items():
            print(f"{name}: {meaning} [{', '.join(' '.join(s[1::2]) for s in suites)}]")
        return
    copy_tree()
    suites = []
    for _, of_fault, _ in chosen.values():
        suites += [s for s in of_fault if s not in suites]
    for suite in suites:
        status, output = run(suite)
        if status != 0:
            fail(f"without a fault, `cargo test {' '.join(suite)}` fails:\n{output[-4000:]}")
    alive = []
    print("| fault | what it means | result | seconds |\n|---|---|---|---|", flush=True)
    for name, (meaning, of_fault, _) in chosen.items():
        start, killer = time.monotonic(), None
        for file, text in texts[name].items():
            (TREE / file).write_text(text)
        for suite in of_fault:
            status, output = run(suite, no_run=True)
            if status != 0:
                fail(f"{name}: does not compile:\n{output[-4000:]}")
            status, output = run(suite)
            if status != 0:
                killer = f"killed by `{suite[-1].lstrip('-')}`: {failing(output) if status else 'too long'}"
                break
        for file in texts[name]:
            (TREE / file).write_text((ROOT / file).read_text())
        if killer is None:
            alive.append(name)
        print(f"| {name} | {meaning} | {killer or '**alive**'} | {time.monotonic() - start:.0f} |", flush=True)
    print(f"\n{len(chosen) - len(alive)} of {len(chosen)} faults are killed.")
    if alive:
        print(f"alive: {', '.join(alive)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
