"""all-MiniLM-L6-v2 as a model of polynomials. From the repository's root, with the folder of the model unpacked:

    nice -n 10 env OMP_NUM_THREADS=1 python host-tools/train/recipes/minilm.py --model MINILM --out target/train/minilm

The training texts are banking77, SST-2, TREC and wikitext-2. The held-out texts are other texts of the first three, and sentences of
STS-2016, of which no text is trained on. `sts` compares the two forms by Spearman's correlation with the gold scores. --expected FILE writes the outputs of
the numpy reference for 200 held-out sentences, which another engine must reproduce.
"""

import argparse
import csv
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch

from polyformer_train import convert, converted, data, encoder, score, source, texts
from polyformer_train.conversion import Options
from polyformer_train.folder_reference import expected

PAIRS = ("answer-answer", "postediting", "question-question")


def corpora(folder, count, held, seed=5):
    """(training texts, held-out texts): equal shares of the sources, at random."""
    bank, categories = data.read_csv(folder / "banking77/train.csv")
    kept, aside = data.split(bank, categories, 0.15, "polyformer-banking77")
    trec = {p: [line.split(" ", 1)[1].strip() for line in _lines(folder / f"trec/TREC.{p}.all")] for p in ("train", "test")}
    sst = {p: data.read_tsv(folder / f"sst2/{p}.tsv")[0] for p in ("train", "dev")}
    sentences = [s for name in PAIRS for _, *pair in pairs(folder, name) for s in pair]
    train = [[bank[i] for i in kept], sst["train"], trec["train"], prose(folder)]
    other = [[bank[i] for i in aside], sst["dev"], trec["test"], sentences]
    known = {t for group in other for t in group}  # TREC asks some questions twice
    return _pick([[t for t in g if t not in known] for g in train], count, seed), _pick(other, held, seed + 1)


def _pick(groups, count, seed):
    rng = random.Random(seed)
    return [t for g in groups for t in rng.sample(sorted(set(g)), min(len(set(g)), count // len(groups)))]


def prose(folder):
    """Sentences of wikitext-2's valid.txt, of 5 to 40 words."""
    text = " ".join(line for line in _lines(folder / "wikitext2/valid.txt") if not line.strip().startswith("="))
    for mark in ("-", ",", "."):
        text = text.replace(f" @{mark}@ ", mark)
    return [s.strip() + " ." for s in text.split(" . ") if 5 <= len(s.split()) <= 40 and "<unk>" not in s]


def pairs(folder, name):
    """[(gold score, sentence, sentence)]"""
    rows = (line.split("\t") for line in _lines(folder / f"sts/sts2016.{name}.gold.tsv"))
    return [(float(r[0]), r[1].strip(), r[2].strip()) for r in rows]


def _lines(path):
    return [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]


def spearman(x, y):
    """Of two lists, ties by mean ranks."""

    def ranks(v):
        v = np.asarray(v)
        return np.array([(v < a).sum() + 0.5 * ((v == a).sum() + 1) for a in v])

    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


def sts(folder, out, model, max_tokens):
    """Per file: Spearman's correlation of the original and of the polynomial form with the gold scores, in percent."""
    forms = {"original": encoder.from_source(source.read(model, "embed")), "polynomial": converted.load(out)}
    tokenizer = texts.tokenizer_of(Path(model) / "tokenizer.json", max_tokens)
    result = {}
    for name in PAIRS:
        rows = pairs(folder, name)
        ids = texts.ids_of(tokenizer, [s for _, *pair in rows for s in pair])
        result[name] = {"pairs": len(rows)}
        for form, made in forms.items():
            pooled, _ = score.outputs(made, texts.batches(ids, 48, "cpu"), len(ids))
            cosines = torch.nn.functional.cosine_similarity(pooled[::2], pooled[1::2]).tolist()
            result[name][form] = round(100 * spearman([r[0] for r in rows], cosines), 2)
    return result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--data", default="../shared/data")
    p.add_argument("--minutes", type=float, default=40.0)
    p.add_argument("--texts", type=int, default=4000)
    p.add_argument("--held", type=int, default=600)
    p.add_argument("--device", default="cpu")
    p.add_argument("--resume", action="store_true")
    p.add_argument("--expected")
    given = p.parse_args()
    torch.set_num_threads(1)
    folder = Path(given.data)
    train, held = (texts.Texts(t) for t in corpora(folder, given.texts, given.held))
    log = lambda line: print(line, file=sys.stderr, flush=True)
    if not (Path(given.out) / "config.json").exists():
        options = Options(minutes=given.minutes, device=given.device)
        report = convert.convert(given.model, train, given.out, options, held, given.resume, convert.Bar(), log)
        print(json.dumps(report["held_out"]), report["processor_seconds"], "processor seconds", flush=True)
    if given.expected:
        expected(given.out, held.texts[:: max(1, len(held.texts) // 200)][:200], given.expected)
    print(json.dumps(sts(folder, given.out, given.model, Options.max_tokens), indent=1))


if __name__ == "__main__":
    main()
