#!/usr/bin/env python3
"""Known answers for tests/tests/derivation.rs, from the definitions of docs/math.md §6.1 and of RFC 8439.

    python3 derive.py      writes derive.json into its own folder

ChaCha20 has a 64-bit counter and a 64-bit stream number here. Python integers do everything. The program shares the primes
with the Rust program, and no code.
"""

import json
import pathlib
import struct

BASE = [1054212097, 1053818881]
LINE = [786433, 1179649, *BASE, 790364161, 708182017, 969146369, 946339841]
P = [1073479681, 1071513601, 1070727169, 1068236801]
MASK = 2**32 - 1
DOMAIN = int.from_bytes(b"polykeys", "little")
DENSE, SPARSE, HEDGE = 128 << 40, 129 << 40, 130 << 40


def block(key, stream, counter):
    def turn(x, n):
        return (x << n | x >> (32 - n)) & MASK

    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key),
             counter & MASK, counter >> 32, stream & MASK, stream >> 32]
    s = list(start)

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & MASK
            s[z] = turn(s[z] ^ s[x], n)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((x + y) & MASK for x, y in zip(s, start)))


def generator(key, stream=0):
    """The stream of a key as 32-bit words."""
    counter = 0
    while True:
        yield from struct.unpack("<16I", block(key, stream, counter))
        counter += 1


def long(words):
    low = next(words)
    return low | next(words) << 32


def chain(key, words):
    for word in words:
        key = block(key, word, 0)[:32]
    return key


def set_words(key):
    return struct.unpack("<4Q", key)


def fingerprint(s):
    """The chain over every field of a parameter set."""
    fields = [s["log_n"], len(s["specials"]), *s["specials"], len(s["line"]), *s["line"],
              s["terminals"] | s["base"] << 8 | s["alpha"] << 16, len(s["levels"]),
              *(t | n << 8 for t, n in s["levels"]), bits(s["scale_bits"]), int("bootstrap" in s)]
    if "bootstrap" in s:
        cts, eval_mod, stc, iterations, scale = s["bootstrap"]
        fields += [cts | eval_mod << 8 | stc << 16 | iterations << 24, bits(scale)]
    return set_words(chain(b"polyformer parameter set, v. 1  ", fields + [s["security"]]))


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def derive(s, what, index, seed):
    return chain(seed, [DOMAIN, what, index, *fingerprint(s)])


def uniform(key, q, stream, count):
    mask, words, out = 2**q.bit_length() - 1, generator(key, stream), []
    while len(out) < count:
        x = next(words) & mask
        out += [x] if x < q else []
    return out


def trits(key, count):
    words = generator(key)
    return [(3 * long(words) >> 64) - 1 for _ in range(count)]


def sparse(key, weight, n):
    words, out = generator(key), [0] * n
    while sum(map(abs, out)) < weight:
        draw, sign = long(words), next(words) & 1
        place = draw * n >> 64
        out[place] = out[place] or 1 - 2 * sign
    return out


def poly1305(key, integers):
    """The polynomial of RFC 8439, §2.5, without its last addition."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    h, data = 0, b"".join(struct.pack("<q", x) for x in integers)
    for i in range(0, len(data), 16):
        h = (h + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return [h & 2**64 - 1, h >> 64 & 2**64 - 1]


def hedged(s, secret, drawn, message):
    """The public seed of a small client, and the first errors."""
    tag = poly1305(derive(s, HEDGE, 0, secret), message)
    words = generator(chain(derive(s, HEDGE, 1, secret), [*set_words(drawn), *tag]))
    seed = b"".join(struct.pack("<I", next(words)) for _ in range(8))
    errors = []
    for _ in range(8):
        x = long(words)
        errors.append((x % 2**21).bit_count() - ((x >> 21) % 2**21).bit_count())
    return {"seed": seed.hex(), "errors": errors}


C12 = {"log_n": 12, "specials": [], "line": BASE, "terminals": 0, "base": 2, "alpha": 0, "levels": [(0, 2)],
       "scale_bits": 39.5, "security": 128}
STEPS = [(0, 2), (2, 2), (1, 4), (0, 6)]
TOY = {"log_n": 6, "specials": P, "line": LINE, "terminals": 2, "base": 2, "alpha": 4, "levels": STEPS,
       "scale_bits": 39.5, "security": 0}
SETS = {"C12": C12, "toy": TOY}


def half(tag, level=0, element=0):
    return (tag << 8 | level) << 32 | element


HALVES = [("public", half(1), 0), ("relin", half(2, 3), 1), ("galois", half(3, 2, 25), 0), ("raise", half(4), 1),
          ("lift", half(5), 0), ("lower", half(6), 1), ("ciphertext", half(7), 0)]


def main():
    seed, cases = bytes(range(32)), []
    for name, s in SETS.items():
        case = {"set": name, "fingerprint": [str(w) for w in fingerprint(s)], "halves": {}}
        for kind, what, index in HALVES:
            key = derive(s, what, index, seed)
            case["halves"][kind] = {"key": key.hex(), "words": uniform(key, s["line"][0], 1, 8)}
        case["dense"] = trits(derive(s, DENSE, 0, seed), 32)
        case["sparse"] = sparse(derive(s, SPARSE, 8, seed), 8, 64)
        message = [(-1) ** i * (i * i + 3 * i + 1) * 2**30 for i in range(64)]
        message[5] = -(2**61) + 1
        case["hedged"] = hedged(s, seed, bytes(range(100, 132)), message)
        cases.append(case)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (pathlib.Path(__file__).parent / "derive.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
