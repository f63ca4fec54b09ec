#!/usr/bin/env python3
"""Compares the speed of two commits on this machine, run in turns.

    python3 scripts/beside.py OLD [NEW] [--rounds 5] [--parts operations,bootstrap,demo] [--threads T] [--least 0.98]

Both programs are built into target/beside from clean work trees; NEW is HEAD by default. Each round measures one thing
after the other, first of one commit, then of the other; the order of the commits changes from round to round. A figure is
the median over the rounds. The ratio is the old
figure over the new one: above 1 the new commit is faster, or takes less memory. The exit status is 1 if the ratio of a
time is below --least.

Nothing else should run. Operations take two minutes a round, the bootstrap and the demo some minutes and 11 GB of memory.
The demo makes the keys of each commit first: 8 GB of disk in target/beside/keys, or in the folder that --keys names.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target/beside"
QUESTION = "I think someone used my card in another country"


def git(*args):
    return subprocess.run(["git", "-C", ROOT, *args], check=True, capture_output=True, text=True).stdout.strip()


def build(commit):
    """The program of a commit, and its size in bytes."""
    name = git("rev-parse", "--short", commit)
    tree, target = WORK / f"tree-{name}", WORK / f"target-{name}"
    program = WORK / f"polyformer-{name}"
    if not program.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        git("worktree", "prune")
        git("worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "polyformer"], cwd=tree, check=True,
                           env={**os.environ, "CARGO_TARGET_DIR": str(target)})
        finally:
            git("worktree", "remove", "--force", str(tree))
        program.hardlink_to(target / "release/polyformer")
    return name, program


def run(program, *args):
    out = subprocess.run([program, *map(str, args)], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def operation(name):
    def measure(program, keys, more):
        line, = run(program, "bench", "--preset", "B16", "--op", name, *more, "--json")
        return {name: (line["seconds"], line["peak_bytes"])}
    return measure


def bootstrap(program, keys, more):
    line, = run(program, "bench", "--preset", "B16", "--op", "bootstrap", "--seconds", 0, *more, "--json")
    stages = {f"bootstrap {s['stage']}": (s["seconds"], None) for s in line["stages"]}
    return {"bootstrap": (line["seconds"], line["peak_bytes"]), **stages}


def demo(program, keys, more):
    line, = run(program, "demo", QUESTION, "--keys", keys, *more, "--json")
    figures = {"demo": (line["total_seconds"], line["peak_bytes"]), "demo compute": (line["compute_seconds"], None)}
    return {**figures, **{f"demo {k}": (s, None) for k, s in line["seconds"].items() if k != "key_generation"}}


OPERATIONS = ("ntt_forward", "ntt_inverse", "encode", "decode", "encrypt_sk", "encrypt_pk", "decrypt", "add", "mul_plain",
              "mul_relin_rescale", "rescale", "key_switch", "rotate", "rotate_hoisted_8", "keygen_galois")
PARTS = {"operations": [(name, operation(name)) for name in OPERATIONS], "bootstrap": [("bootstrap", bootstrap)],
         "demo": [("demo", demo)]}
BRIEF = 0.05  # seconds: the ratio of a shorter stage of the demo is printed only


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default="HEAD")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--least", type=float, default=0.98)
    parser.add_argument("--keys", type=pathlib.Path, default=WORK / "keys")
    args = parser.parse_args()
    parts = args.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}")
    more = ["--threads", args.threads] if args.threads else []
    commits = [build(args.old), build(args.new)]
    if "demo" in parts:
        for name, program in commits:  # makes the keys, if there are none
            demo(program, args.keys / name, more)

    figures = ({}, {})
    for turn in range(args.rounds):
        for what, measure in (task for part in parts for task in PARTS[part]):
            print(f"round {turn + 1} of {args.rounds}: {what}", file=sys.stderr)
            for side in ((0, 1), (1, 0))[turn % 2]:
                name, program = commits[side]
                for what, figure in measure(program, args.keys / name, more).items():
                    figures[side].setdefault(what, []).append(figure)

    (old_name, old_program), (new_name, new_program) = commits
    size = old_program.stat().st_size / new_program.stat().st_size
    print(f"program: {old_program.stat().st_size} bytes at {old_name}, {new_program.stat().st_size} at {new_name}, "
          f"ratio {size:.3f}")
    print(f"{'what':28} {old_name + ' ms':>14} {new_name + ' ms':>14} {'ratio':>7} {'of least':>9} {'of memory':>9}")
    slow = []
    for what, old in figures[0].items():
        if what not in figures[1]:
            print(f"{what:28} only at {old_name}")
            continue
        times = [[seconds for seconds, _ in side] for side in (old, figures[1][what])]
        memory = [[peak for _, peak in side if peak] for side in (old, figures[1][what])]
        before, after = map(statistics.median, times)
        ratio, least = before / after, min(times[0]) / min(times[1])
        peak = f"{statistics.median(memory[0]) / statistics.median(memory[1]):9.3f}" if all(memory) else f"{'-':>9}"
        counts = before > BRIEF or not what.startswith("demo ")
        slow += [what] if counts and ratio < args.least else []
        mark = " *" if what in slow else ""
        print(f"{what:28} {1e3 * before:14.4f} {1e3 * after:14.4f} {ratio:7.3f} {least:9.3f} {peak}{mark}")
    if slow:
        print(f"below {args.least}: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
