#!/usr/bin/env python3
"""Known answers for tests/tests/known_answers.rs, from the formulas alone.

The program follows the mathematics and not the Rust code. The number-theoretic transform follows its definition. Python integers
do all rounding, Kronecker substitution does products, and extended-precision sums do the canonical embedding. The program
shares only the prime lists and the conventions below with the Rust code.

    python3 make.py        writes ntt.json, rescale.json, key_switch.json, encode.json into its own folder

Conventions: psi is the first g^((q-1)/2n), g = 2, 3, ..., of order 2n; value i of a transform is
a(psi^(2 brv(i) + 1)); slot j of m(X) is m(exp(i pi 5^j / n)); inputs come from the generator `stream`.
An answer lists the words `rows[r]` at positions `at`, and `fnv[r]` over all words of row r.
"""

import json
import math
import pathlib

import numpy as np

P = [1073479681, 1071513601, 1070727169, 1068236801, 1065484289, 1064697857, 1062862849, 1062469633, 1060765697,
     1056440321, 1056178177, 1055260673]
TERMINALS = [786433, 1179649]  # tB, tA
BASE = [1054212097, 1053818881]
MAINS = [790364161, 708182017, 969146369, 946339841, 771096577, 725876737, 992083969, 924450817, 740294657,
         756154369, 996278273, 920518657, 721551361, 775815169, 943718401, 971898881, 780009473, 717488129,
         940572673, 975175681]
EVAL_MOD = [488243201, 590479361, 464781313, 620101633]  # its lowest pairs
LINE = TERMINALS + BASE + MAINS + EVAL_MOD
ALPHA = 12


def stream(seed):
    """31-bit words of a linear congruential generator modulo 2^64."""
    x = seed
    while True:
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        yield x >> 33


def residues(n, q, seed):
    words = stream(seed)
    return [next(words) % q for _ in range(n)]


def fnv(words):
    """FNV-1a, 64 bits, over the bytes of little-endian 64-bit words."""
    h = 0xCBF29CE484222325
    for w in words:
        for byte in (w % 2**64).to_bytes(8, "little"):
            h = (h ^ byte) * 0x100000001B3 % 2**64
    return str(h)


def answer(n, rows):
    at = list(range(n)) if n <= 64 else [0, 1, 2, n // 2 - 1, n // 2, n - 1, 1234, 2345]
    return {"at": at, "rows": [[row[i] for i in at] for row in rows], "fnv": [fnv(row) for row in rows]}


def brv(i, n):
    return int(format(i, "b").zfill(n.bit_length() - 1)[::-1], 2)


def root(n, q):
    return next(p for p in (pow(g, (q - 1) // (2 * n), q) for g in range(2, q)) if pow(p, n, q) == q - 1)


def ntt(a, q):
    """a(psi^(2 brv(i) + 1)) for each i, as one matrix product in exact 64-bit integers, 15 bits of a at a time."""
    n, psi = len(a), root(len(a), q)
    powers = [1]
    for _ in range(2 * n - 1):
        powers.append(powers[-1] * psi % q)
    powers, k = np.array(powers, dtype=np.int64), np.arange(n, dtype=np.int64)
    high, low = np.array(a, dtype=np.int64) >> 15, np.array(a, dtype=np.int64) & 0x7FFF
    out = []
    for i in range(n):
        row = powers[k * (2 * brv(i, n) + 1) % (2 * n)]
        out.append((int(np.sum(row * high % q)) * 2**15 + int(np.sum(row * low % q))) % q)
    return out


def integers(rows, primes):
    """The integers in [0, product) whose residues are the rows."""
    product = math.prod(primes)
    units = [product // q * pow(product // q, -1, q) for q in primes]
    return [sum(x * u for x, u in zip(column, units)) % product for column in zip(*rows)], product


def centred(x, modulus):
    return x - modulus if 2 * x > modulus else x


def switched(rows, source, target):
    """round(a R/D): D the primes of source only, R those of target only."""
    a, _ = integers(rows, source)
    d = math.prod(q for q in source if q not in target)
    r = math.prod(q for q in target if q not in source)
    rounded = [(2 * x * r + d) // (2 * d) for x in a]
    return [[x % q for x in rounded] for q in target]


def product(a, b, q):
    """ab mod X^n + 1 and q, by one product of large integers: 12 bytes hold a coefficient of the full product."""
    n = len(a)
    pack = lambda x: int.from_bytes(b"".join(c.to_bytes(12, "little") for c in x), "little")
    data = (pack(a) * pack(b)).to_bytes(24 * n, "little")
    c = [int.from_bytes(data[12 * k:12 * k + 12], "little") for k in range(2 * n)]
    return [(c[k] - c[k + n]) % q for k in range(n)]


def key_switch(n, q, seed):
    """The gadget product over P and q, halves b and a, then both divided by P. Residue row r of the operand is
    stream seed + r; row r of half h of key digit j is stream seed + 1000 (2j + h + 1) + r."""
    full = P + q
    d = [residues(n, p, seed + r) for r, p in enumerate(q)]
    acc = [[[0] * n for _ in full] for _ in range(2)]
    for j in range(-(-len(LINE) // ALPHA)):
        own = [i for i, p in enumerate(q) if p in LINE[j * ALPHA:(j + 1) * ALPHA]]
        if not own:
            continue
        lifted, modulus = integers([d[i] for i in own], [q[i] for i in own])
        lifted = [centred(x, modulus) for x in lifted]
        for half in range(2):
            for r, p in enumerate(full):
                key = residues(n, p, seed + 1000 * (2 * j + half + 1) + r)
                term = product([x % p for x in lifted], key, p)
                acc[half][r] = [(x + y) % p for x, y in zip(acc[half][r], term)]
    divided = [switched(rows, full, q) for rows in acc]
    return acc, divided


def slots(count, seed):
    """Complex numbers with parts in [-1, 1), multiples of 2^-20."""
    words = stream(seed)
    part = lambda: (next(words) % 2**21 - 2**20) / 2**20
    return [(part(), part()) for _ in range(count)]


def encode(n, scale_bits, seed):
    """c_k = round(2^scale_bits / (n/2) Re sum_j v_j conj(zeta^(5^j k))), halves away from zero."""
    v = slots(n // 2, seed)
    table = 4 * np.arctan(np.longdouble(1)) * np.arange(2 * n, dtype=np.longdouble) / n
    cos, sin = np.cos(table), np.sin(table)
    power = np.array([pow(5, j, 2 * n) for j in range(n // 2)], dtype=np.int64)
    re = np.array([x for x, _ in v], dtype=np.longdouble)
    im = np.array([y for _, y in v], dtype=np.longdouble)
    out = []
    for k in range(n):
        e = power * k % (2 * n)
        # (x + iy)(cos - i sin) has real part x cos + y sin
        c = np.sum(re * cos[e] + im * sin[e]) * np.longdouble(2) ** scale_bits / (n // 2)
        out.append(int(np.floor(abs(c) + np.longdouble(0.5))) * (1 if c >= 0 else -1))
    return out


def main():
    here = pathlib.Path(__file__).parent
    write = lambda name, cases: (here / name).write_text(json.dumps(cases, separators=(",", ":")) + "\n")

    cases = []
    for seed, (n, q) in enumerate([(16, TERMINALS[0]), (16, P[0]), (64, BASE[0]), (64, MAINS[1]), (4096, P[11])], 1):
        cases.append({"n": n, "q": q, "psi": root(n, q), "seed": seed, **answer(n, [ntt(residues(n, q, seed), q)])})
    write("ntt.json", cases)

    cases = []
    rational = (TERMINALS[1:] + BASE + MAINS[:2], TERMINALS + BASE)  # two mains dropped, a terminal restored
    terminals = (TERMINALS + BASE, BASE)
    by_p = (P + TERMINALS + BASE + MAINS[:4], TERMINALS + BASE + MAINS[:4])
    both = (P + TERMINALS + BASE + MAINS[:4], BASE + MAINS[:4])
    for seed, (n, (source, target)) in enumerate(
            [(16, rational), (64, rational), (16, terminals), (16, by_p), (64, both), (4096, rational), (4096, by_p)]):
        rows = [residues(n, q, 100 * seed + r) for r, q in enumerate(source)]
        cases.append({"n": n, "from": source, "to": target, "seed": 100 * seed,
                      **answer(n, switched(rows, source, target))})
    write("rescale.json", cases)

    cases = []
    for seed, (n, q) in enumerate([(16, LINE[1:10]), (64, LINE[:4]), (16, LINE[:26]), (4096, LINE[:26])], 1):
        acc, divided = key_switch(n, q, 100000 * seed)
        cases.append({"n": n, "q": q, "seed": 100000 * seed, "sums": [answer(n, half) for half in acc],
                      "divided": [answer(n, half) for half in divided]})
    write("key_switch.json", cases)

    cases = []
    for seed, (n, scale_bits) in enumerate([(16, 30), (32, 39), (64, 30), (4096, 30)], 1):
        cases.append({"n": n, "scale_bits": scale_bits, "seed": seed, **answer(n, [encode(n, scale_bits, seed)])})
    write("encode.json", cases)


if __name__ == "__main__":
    main()
