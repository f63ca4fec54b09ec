#!/usr/bin/env python3
"""Counts the instructions of a program for the emulated board by function, and prints the rows of a table.

usage: scripts/device-profile.py START STOP PROGRAM ELF [PROGRAM ELF ...]

The count runs from the first instruction of the function START to the first of STOP. Each executed block of code counts with
its instructions. An inlined function counts for its caller. The functions that write files and logs are left out.
"""

import bisect
import collections
import os
import re
import subprocess
import sys
import tempfile

QEMU = "qemu-system-arm -cpu cortex-m4 -machine mps2-an386 -nographic -monitor none -serial none -icount shift=0".split()
QEMU += "-semihosting-config enable=on,target=native -d in_asm,exec,nochain -kernel".split()
LEFT_OUT = re.compile(r"semihosting|defmt|device::board")
SHARE = 0.01  # functions below are summed


def functions(elf):
    """Addresses in order and the names of what begins there."""
    lines = subprocess.run(["nm", "-C", "-n", "--defined-only", elf], capture_output=True, text=True, check=True).stdout
    found = [line.split(" ", 2) for line in lines.splitlines()]
    code = {int(at, 16) & ~1: name for at, kind, name in found if kind in "tTwW" and not name.startswith("$")}
    return sorted(code), code


def count(elf, start, stop):
    """Instructions by function."""
    addresses, names = functions(elf)
    begins = {name: at for at, name in names.items()}
    missing = [name for name in (start, stop) if name not in begins]
    if missing:
        sys.exit(f"{elf}: no function {missing[0]}")
    executed, length, here, counting, ended = collections.Counter(), {}, None, False, False
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.Popen(QEMU + [os.path.abspath(elf)], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in run.stderr:
            if line.startswith("Trace "):
                at = int(line.split("/", 2)[1], 16)
                counting = counting or at == begins[start]
                if counting:
                    if at == begins[stop]:
                        ended = True
                        break
                    executed[at] += 1
            elif line.startswith("IN:"):
                here = None
            elif line.startswith("0x"):
                at = int(line[2:10], 16)
                if here is None:
                    here, length[at] = at, 0
                length[here] += 1
        run.kill()
        run.wait()
    if not ended:
        sys.exit(f"{elf}: {stop} was never reached")
    total = collections.Counter()
    for at, times in executed.items():
        total[names[addresses[bisect.bisect(addresses, at) - 1]]] += times * length[at]
    return total


def main():
    start, stop, *programs = sys.argv[1:]
    columns = [count(elf, start, stop) for elf in programs[1::2]]
    for column in columns:
        for name in [name for name in column if LEFT_OUT.search(name)]:
            del column[name]
    sums = [column.total() for column in columns]
    large = {name for column, total in zip(columns, sums) for name, n in column.items() if n >= SHARE * total}
    row = lambda name, values: print(f"| {name} |" + "".join(f" {v} |" for v in values))
    row("millions of instructions", programs[::2])
    print("|---|" + "---|" * len(columns))
    for name in sorted(large, key=lambda name: -max(column[name] for column in columns)):
        row(f"`{name}`", [f"{column[name] / 1e6:.2f}" for column in columns])
    row("all others", [f"{sum(n for name, n in column.items() if name not in large) / 1e6:.2f}" for column in columns])
    row("**sum**", [f"{total / 1e6:.2f}" for total in sums])


if __name__ == "__main__":
    main()
