#!/usr/bin/env python3
"""Measures this machine and rewrites the part of docs/performance.md between its two markers.

    cargo build --release && python3 scripts/measure.py [--keys DIR] [--held FILE] [--skip demo,keygen]

The figures are medians of wall time, so no other program should run. Ratios against other libraries come from
benches/peers, which measures processor time. A run takes about five minutes, 11 GB of memory and 4 GB of disk.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/polyformer"
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- measured by scripts/measure.py -->\n", "<!-- end of what was measured -->\n"
N, SPECIALS, ALPHA = 1 << 16, 12, 12
QUESTION = "I think someone used my card in another country"


def polyformer(*args):
    out = subprocess.run([PROGRAM, *map(str, args)], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def bench(threads, level, *ops, preset="B16", more=()):
    names = [x for op in ops for x in ("--op", op)]
    at = [] if level is None else ["--level", level]
    lines = polyformer("bench", "--preset", preset, "--threads", threads, *at, *names, *more, "--json")
    return {r["op"]: r for r in lines}


def floors(limbs):
    """Transforms, products of limbs with constants, and bytes of one key switch with its division by P."""
    digits = [min(ALPHA, limbs - at) for at in range(0, limbs, ALPHA)]
    full = limbs + SPECIALS
    transforms = limbs + sum(full - d for d in digits) + 2 * (SPECIALS + limbs)
    products = sum((d + 1) * (full - d) for d in digits) + 2 * (SPECIALS + 1) * limbs + 2 * len(digits) * full
    return transforms, products, 4 * N * (2 * len(digits) * full + 3 * limbs)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def ms(seconds):
    return f"{1000 * seconds:.1f}" if seconds >= 0.001 else f"{1000 * seconds:.3f}"


def machine():
    info = subprocess.run(["lscpu"], capture_output=True, text=True).stdout
    model = re.search(r"Model name:\s*(.*)", info)
    load = os.getloadavg()[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = model.group(1).strip() if model else "unknown processor"
    return f"{time.strftime('%d %B %Y')}, {name}, {os.cpu_count()} cores, {memory:.0f} GiB, load {load:.1f} at the start."


def operations(level):
    ops = ("ntt_forward", "ntt_inverse", "encode", "add", "mul_plain", "rescale", "key_switch", "rotate",
           "rotate_hoisted_8", "mul_relin_rescale")
    client = ("encrypt_sk", "encrypt_pk", "decrypt", "decode")  # at the highest message level
    one, two = ({**bench(t, level, *ops), **bench(t, None, *client)} for t in (1, 2))
    rows = [(op, ms(one[op]["seconds"]), ms(two[op]["seconds"]), f"{one[op]['bytes'] / 1e6:.1f}",
             f"{one[op]['peak_bytes'] / 1e6:.0f}") for op in (*ops, *client)]
    limbs = one["key_switch"]["limbs"]
    transforms, products, moved = floors(limbs)
    bandwidth = one["add"]["bytes"] / one["add"]["seconds"]
    ntt = one["ntt_forward"]["seconds"]
    floor = [
        (f"{transforms} transforms of a limb, at {1e6 * ntt:.0f} µs each", ms(transforms * ntt)),
        (f"{products} products of a limb with a constant: {products * N / 1e6:.0f} million words, two vector "
         "instructions per eight words, 5.6 instructions per nanosecond (estimate)", ms(products * N / 8 * 2 / 5.6e9)),
        (f"{moved / 1e6:.0f} MB of key, operand and results, at {bandwidth / 1e9:.1f} GB/s as measured for `add`",
         ms(moved / bandwidth)),
        ("**measured**", ms(one["key_switch"]["seconds"])),
    ]
    return (f"B16, level {level}, {limbs} limbs. The last four rows are at the highest message level. Times are in "
            "milliseconds.\n\n"
            + table(("operation", "one thread", "two threads", "MB of operands and results", "MB resident"), rows)
            + f"\nThe minimal work of a key switch at {limbs} limbs, with its division by P, on one thread:\n\n"
            + table(("", "ms"), floor))


def bootstrapping():
    one, two = "bootstrap", "bootstrap_pair"
    ways = (("B16", "B16", one, 1, ()), ("B16", "B16", one, 2, ()), ("B16, two vectors at once", "B16", two, 1, ()),
            ("B16, few keys (min-KS)", "B16", one, 1, ("--min-ks",)), ("B16, few keys (min-KS)", "B16", one, 2, ("--min-ks",)),
            ("H16, two iterations", "H16", one, 2, ()), ("F16", "F16", one, 1, ()), ("F16", "F16", one, 2, ()),
            ("F16, two vectors at once", "F16", two, 1, ()))
    runs = [(name, threads, bench(threads, None, op, preset=preset, more=more)[op])
            for name, preset, op, threads, more in ways]
    rows = [(name, threads, f"{r['seconds']:.2f}", f"{r['bytes'] / 1e9:.2f}", f"{r['peak_bytes'] / 1e9:.2f}")
            for name, threads, r in runs]
    add = bench(1, 24, "add")["add"]
    rate = add["bytes"] / add["seconds"]
    stages = [(p["stage"].replace("_", " "), ms(p["seconds"]), p["key_switches"], f"{p['key_bytes'] / 1e9:.2f}",
               ms(p["key_bytes"] / rate)) for p in runs[0][2]["stages"]]
    return ("Every vector has 32,768 real slots.\n\n"
            + table(("", "threads", "seconds", "GB of keys", "GB resident at most"), rows)
            + f"\nThe stages of the first row. The last column is the time to read the keys at {rate / 1e9:.1f} GB/s, as measured "
            "for `add`:\n\n"
            + table(("stage", "ms", "key switches", "GB of keys read", "ms to read them"), stages))


def key_generation():
    steps, text = ",".join(str(k) for k in range(1, 61)), []
    for what, level in (("the message levels take", []), ("every level takes", ["--level", 28])):
        folder = tempfile.mkdtemp()
        try:
            start = time.monotonic()
            subprocess.run([PROGRAM, "keygen", "--preset", "B16", *map(str, level), "--rotations", steps, "--out",
                            f"{folder}/keys"], check=True, capture_output=True)
            seconds = time.monotonic() - start
            size = sum(f.stat().st_size for f in pathlib.Path(folder).rglob("*") if f.is_file())
        finally:
            shutil.rmtree(folder)
        text.append(f"{what} {seconds:.1f} s and {size / 1e9:.2f} GB of files")
    return ("`keygen` makes 60 rotation keys of B16 and its other keys. On all cores "
            f"{', and '.join(text)}.\n")


def calibrated(use):
    """The result of `use` on an empty folder and the figures of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        figures = f"{folder}/speed.json"
        polyformer("calibrate", "--out", figures)
        return use(folder, figures)


def demo(keys):
    where = ["--keys", keys] if keys else []
    polyformer("demo", QUESTION, *where, "--json")  # makes the missing keys
    r = calibrated(lambda _, figures: polyformer("demo", QUESTION, *where, "--figures", figures, "--json")[0])
    share = 100 * r["encoding_seconds"] / r["total_seconds"]
    plan = "ran as planned" if r["plan_agrees"] else "did NOT run as planned"
    rows = sorted(r["seconds"].items(), key=lambda s: -s[1])
    rows = [(name.replace("_", " "), f"{s:.2f}") for name, s in rows if s >= 0.005 and name != "key_generation"]
    rows.append(("**total**", f"**{r['total_seconds']:.1f}**"))
    return (f"The command is `polyformer demo \"{QUESTION}\"`, with keys from an earlier run. The answer is {r['label']}. "
            f"The run takes {r['bootstraps']} bootstraps, {r['key_switches']} key switches and at most "
            f"{r['peak_bytes'] / 1e9:.1f} GB. The logits agree with the circuit in the clear to {r['precision_bits']:.1f} bits.\n\n"
            + table(("stage", "seconds"), rows)
            + f"\nThe computation on ciphertexts takes {r['compute_seconds']:.1f} s of the total and {plan}. The prediction with the "
            f"figures of `calibrate` is {r['predicted_seconds']:.1f} s. The encoding of weights takes "
            f"{r['encoding_seconds']:.2f} s, {share:.1f} % of the total.\n")


def questions(keys, held):
    def pack(folder, figures):
        return polyformer("pack", "--out", f"{folder}/packed", "--figures", figures, "--json")[0]["layouts"]

    rows = [(c["tokens"], c["questions"], c["key_switches"], c["keys"], f"{c['key_bytes'] / 1e9:.2f}",
             f"{c['seconds']:.1f}", f"{c['seconds'] / c['questions']:.2f}") for c in calibrated(pack)]
    text = ("The table is the plan of `pack` for the demo's model. The seconds are predicted and count the computation on "
            "ciphertexts.\n\n"
            + table(("tokens up to", "questions in a ciphertext", "key switches", "keys", "GB of key files", "seconds",
                     "a question"), rows))
    if held:
        where = ["--keys", keys] if keys else []
        r = polyformer("eval", held, "--limit", 64, "--encrypted", 64, *where, "--json")[0]
        each = r["encrypted_seconds"] / r["encrypted_n"]
        text += (f"\n`polyformer eval --encrypted 64` ran on held-out questions in {r['ciphertexts']} ciphertexts. "
                 f"{r['encrypted_agree']} of {r['encrypted_n']} have the label of the clear run, and the logits are within "
                 f"{r['encrypted_error']:.1e}. A question takes {each:.2f} s, and the run takes at most "
                 f"{r['peak_bytes'] / 1e9:.1f} GB.\n")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", help="folder of the demo's keys")
    parser.add_argument("--held", help="labelled questions, to run 64 of them encrypted")
    parser.add_argument("--skip", default="",
                        help="parts to leave unchanged: operations, bootstrapping, keygen, demo, questions")
    args = parser.parse_args()
    skip = set(filter(None, args.skip.split(",")))
    parts = {
        "operations": ("Operations", lambda: operations(24)),
        "bootstrapping": ("Bootstrapping", bootstrapping),
        "keygen": ("Key generation", key_generation),
        "demo": ("The demo", lambda: demo(args.keys)),
        "questions": ("Many questions", lambda: questions(args.keys, args.held)),
    }
    if unknown := skip - parts.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; the parts are {', '.join(parts)}")
    for name, (title, measure) in parts.items():
        if name not in skip:
            text = machine() + " " + measure()
            print(f"### {title}\n\n{text}", flush=True)
            rewrite([title for title, _ in parts.values()], title, text)


def rewrite(titles, title, text):
    """Puts a section into the page, in the order of the titles."""
    before, rest = PAGE.read_text().split(BEGIN)
    old, after = rest.split(END)
    sections = dict(re.findall(r"^### (.*?)\n\n(.*?)(?=^### |\Z)", old, re.S | re.M))
    sections[title] = text
    body = "".join(f"### {t}\n\n{sections[t].strip()}\n\n" for t in titles if t in sections)
    with tempfile.NamedTemporaryFile("w", dir=PAGE.parent, delete=False) as part:
        part.write(before + BEGIN + body + END + after)
    shutil.copymode(PAGE, part.name)
    os.replace(part.name, PAGE)  # the page is whole at every moment


if __name__ == "__main__":
    main()
