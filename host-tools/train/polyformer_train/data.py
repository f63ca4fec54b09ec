"""Labelled texts, and the split that holds some texts out of training. The split uses a hash, and no random generator."""

import csv
import hashlib
import re


def read_csv(path):
    """(texts, categories) of a file with columns text, category."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return [r["text"].strip() for r in rows], [r["category"] for r in rows]


def read_tsv(path):
    """(texts, categories) of a file with lines text TAB category."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = [line.rstrip("\r\n").rsplit("\t", 1) for line in f if "\t" in line]
    return [t.strip() for t, _ in rows], [c for _, c in rows]


def split(texts, categories, fraction, seed):
    """Indices (kept, held out): in each category the texts whose SHA-256 of "seed|text" sorts first are held out.

    Texts that differ in case or spaces only hash alike, so both copies land on the same side.
    """
    by_category = {}
    for i, (text, category) in enumerate(zip(texts, categories)):
        plain = re.sub(r"\s+", " ", text.strip().lower())
        digest = hashlib.sha256(f"{seed}|{plain}".encode()).hexdigest()
        by_category.setdefault(category, {}).setdefault(digest, []).append(i)
    held = set()
    for digests in by_category.values():
        for d in sorted(digests)[: round(fraction * len(digests))]:
            held.update(digests[d])
    return [i for i in range(len(texts)) if i not in held], sorted(held)
