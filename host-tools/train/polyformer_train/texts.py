"""The texts of a conversion: read from a file, split by hash, turned into ids by the model's own tokenizer, and batched by length."""

import csv
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import torch

from .data import split
from .source import Refused

HELD_OUT_SEED = "polyformer-convert"


@dataclass
class Texts:
    """Texts and, where the file has them, labels (strings)."""

    texts: list
    labels: list | None = None

    def part(self, rows):
        return Texts([self.texts[i] for i in rows], None if self.labels is None else [self.labels[i] for i in rows])


def read(path):
    """One text a line; `.tsv`: text TAB label; `.csv`: columns text and, for labels, category or label."""
    path = Path(path)
    try:
        if path.suffix == ".csv":
            with open(path, newline="", encoding="utf-8") as f:
                rows = list(csv.DictReader(f))
            if rows and "text" not in rows[0]:
                raise Refused(f"{path}: the columns are {', '.join(map(str, rows[0]))}; one must be called text")
            name = next((n for n in ("category", "label") if rows and n in rows[0]), None)
            found = [((r["text"] or "").strip(), None if name is None else r[name]) for r in rows]
        else:
            lines = path.read_text(encoding="utf-8").splitlines()
            pairs = [line.rsplit("\t", 1) for line in lines if line.strip()]
            labelled = path.suffix == ".tsv" and all(len(p) == 2 for p in pairs)
            found = [(p[0].strip(), p[1].strip()) if labelled else ("\t".join(p).strip(), None) for p in pairs]
    except (OSError, UnicodeDecodeError) as e:
        raise Refused(f"{path}: {e}") from None
    found = [row for row in found if row[0]]
    if not found:
        raise Refused(f"{path}: no text; one text a line is needed")
    labels = [label for _, label in found]
    return Texts([t for t, _ in found], None if labels[0] is None else labels)


def held_out(texts, fraction):
    """(kept, held out) by hash: equal texts land on the same side."""
    kept, held = split(texts.texts, [""] * len(texts.texts), fraction, HELD_OUT_SEED)
    if not kept or not held:
        raise Refused(f"{len(texts.texts)} texts: too few to hold {fraction:.0%} of them out; give more texts, or --held-out FILE")
    return texts.part(kept), texts.part(held)


def limited(texts, most):
    """At most `most` texts, those whose SHA-256 sorts first: a fixed choice without a generator."""
    if len(texts.texts) <= most:
        return texts
    digest = lambda i: hashlib.sha256(f"{HELD_OUT_SEED}|{i}|{texts.texts[i]}".encode()).hexdigest()
    return texts.part(sorted(sorted(range(len(texts.texts)), key=digest)[:most]))


def tokenizer_of(path, max_tokens):
    """The model's tokenizer, which keeps its special tokens and cuts at max_tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def ids_of(tokenizer, texts):
    return [e.ids for e in tokenizer.encode_batch(list(texts))]


def pad(rows, device="cpu", more=1):
    """(ids, mask) of rows, `more` columns longer than the longest: the ranges are measured on rows of padding too."""
    width = max(len(r) for r in rows) + more
    ids = torch.zeros(len(rows), width, dtype=torch.long, device="cpu")
    mask = torch.zeros(len(rows), width, dtype=torch.long, device="cpu")
    for i, r in enumerate(rows):
        ids[i, : len(r)], mask[i, : len(r)] = torch.tensor(r, device="cpu"), 1
    return ids.to(device), mask.to(device)


def batches(ids, size, device, seed=0):
    """[(rows, ids, mask)] of texts of similar length."""
    rng = random.Random(seed)
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), rng.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    return [(g, *pad([ids[k] for k in g], device)) for g in groups]
