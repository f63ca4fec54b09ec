#!/usr/bin/env python3
"""Measures private search and compares every result with the clear result. Needs numpy and a built program.

usage: scripts/search.py [--vectors N] [--width W] [--queries Q] [--program FILE] [--threads T]
       scripts/search.py --index X.npy --with Q.npy [--program FILE] [--threads T]

Without files the vectors are random, of length 1. Prints one JSON object: what `polyformer search --figures --json` prints, the
seconds and bytes of `polyformer index`, the largest error of a score of a hit, and the number of queries whose top ten are those
in the clear, in the same order. The exit status is 1 if an error is over 2^-12 or a top ten differs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy

TOP = 10


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--queries", type=int, default=1)
    parser.add_argument("--index", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--with", type=pathlib.Path, metavar="FILE", dest="asked")
    parser.add_argument("--program", default="target/release/polyformer")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def unit(rng, count, width):
    x = rng.standard_normal((count, width), dtype=numpy.float32)
    return x / numpy.linalg.norm(x, axis=1, keepdims=True)


def main():
    args = options()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        index, asked = args.index, args.asked
        if index is None or asked is None:
            rng = numpy.random.default_rng(1)
            index, asked = folder / "x.npy", folder / "q.npy"
            numpy.save(index, unit(rng, args.vectors, args.width))
            numpy.save(asked, unit(rng, args.queries, args.width))

        def run(*arguments):
            threads = ["--threads", str(args.threads)] if args.threads else []
            command = [args.program, *map(str, arguments), "--json", *threads]
            return [json.loads(line) for line in subprocess.check_output(command, text=True).splitlines()]

        (made,) = run("index", "--vectors", index, "--out", folder / "index")
        search = ["search", "--vectors", asked, "--index", folder / "index", "--keys", folder / "keys", "--top", TOP]
        run(*search)  # makes the keys, and brings the index into the page cache
        *hits, figures = run(*search, "--figures")

        x, q = numpy.load(index).astype(numpy.float64), numpy.load(asked).astype(numpy.float64)
        scores = q / numpy.linalg.norm(q, axis=1, keepdims=True) @ x.T
        error, same = 0.0, 0
        for query in range(len(q)):
            mine = [hit for hit in hits if hit["query"] == query]
            error = max([error] + [abs(hit["score"] - scores[query, hit["vector"]]) for hit in mine])
            clear = numpy.argsort(-scores[query], kind="stable")[:TOP]
            same += [hit["vector"] for hit in mine] == clear.tolist()
        result = {
            **figures,
            "index_seconds": made["seconds"],
            "index_bytes": made["bytes"],
            "rounding": made["rounding"],
            "largest_error": error,
            "same_top_ten": same,
        }
        print(json.dumps(result))
        sys.exit(not (error <= 2**-12 and same == len(q)))


if __name__ == "__main__":
    main()
