"""The demo model: 77 intents of a bank's customers. From the repository's root:

    nice -n 19 env OMP_NUM_THREADS=1 python host-tools/train/recipes/banking77.py

The recipe reads DATA/banking77/train.csv (CC BY 4.0), holds 15 % of each intent out by hash, and writes OUT. --split DIR writes
the held-out questions to DIR/held_out.csv (columns text, category), for `polyformer eval`.
"""

import argparse
import csv
from pathlib import Path

from polyformer_train import data
from polyformer_train.output import replacing
from polyformer_train.recipe import Recipe, run

SPLIT_SEED, HELD_OUT = "polyformer-banking77", 0.15

QUESTIONS = (
    "I think someone used my card in another country",
    "How long does a transfer take?",
    "Where is my new card?",
    "My top up failed, what happened to my money?",
    "What exchange rate do you use when I pay abroad in euros?",
    "I forgot my passcode",
)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", default="../shared/data")
    arguments.add_argument("--out", default="host-tools/models/banking77")
    arguments.add_argument("--cache", default="target/train")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--split", help="only write the held-out questions into this folder")
    given = arguments.parse_args()
    texts, categories = data.read_csv(Path(given.data) / "banking77/train.csv")
    kept, held = data.split(texts, categories, HELD_OUT, SPLIT_SEED)
    if given.split:
        write(Path(given.split) / "held_out.csv", texts, categories, held)
        return
    train, held = (([texts[i] for i in rows], [categories[i] for i in rows]) for rows in (kept, held))
    run(Recipe("banking77", golden=QUESTIONS), train, held, given.out, given.cache, given.device)


def write(path, texts, categories, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(("text", "category"))
        out.writerows((texts[i], categories[i]) for i in rows)


if __name__ == "__main__":
    main()
