"""A classifier as a user makes one: a checkpoint of a sentence encoder, fine-tuned in plain `transformers`.

    nice -n 10 env OMP_NUM_THREADS=1 python host-tools/train/recipes/finetune.py --model MINILM --task sst2 --out target/train/sst2-minilm

The script uses softmax, GELU and LayerNorm, knows nothing of polynomials, and saves with `save_pretrained`. The embeddings stay
as they are. The best epoch on the last twentieth of the training texts is kept. No step sees the dev texts before the last line.
"""

import argparse
import csv
import json
import math
import random
import time
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

LABELS = {"sst2": ("negative", "positive"), "cola": ("unacceptable", "acceptable")}


def texts_of(task, part, data):
    """(texts, labels as integers) of the train or dev part."""
    if task == "sst2":
        with open(data / f"sst2/{part}.tsv", encoding="utf-8") as f:
            rows = [line.rstrip("\r\n").rsplit("\t", 1) for line in f if "\t" in line]
    else:
        name = {"train": "in_domain_train.tsv", "dev": "in_domain_dev.tsv"}[part]
        with open(data / "cola" / name, encoding="utf-8") as f:
            rows = [(line[3], line[1]) for line in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return [t.strip() for t, _ in rows], [int(label) for _, label in rows]


def batches(lengths, size, rng):
    """Batches of texts of similar length, in random order."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], rng.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    rng.shuffle(groups)
    return groups


@torch.no_grad()
def accuracy(model, tokenizer, texts, labels, max_tokens):
    """Share of right answers."""
    model.eval()
    order, right = sorted(range(len(texts)), key=lambda i: len(texts[i])), 0
    for i in range(0, len(order), 64):
        rows = order[i : i + 64]
        batch = tokenizer([texts[k] for k in rows], truncation=True, max_length=max_tokens, padding=True, return_tensors="pt")
        right += (model(**batch).logits.argmax(-1) == torch.tensor([labels[k] for k in rows])).sum().item()
    return right / len(texts)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", required=True)
    arguments.add_argument("--task", choices=sorted(LABELS), required=True)
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--data", default="../shared/data")
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--rate", type=float, default=1e-4)
    arguments.add_argument("--max-tokens", type=int, default=64)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    rng = random.Random(given.seed)
    texts, labels = texts_of(given.task, "train", Path(given.data))
    names = LABELS[given.task]
    tokenizer = AutoTokenizer.from_pretrained(given.model, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        given.model,
        local_files_only=True,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={n: i for i, n in enumerate(names)},
    )
    model.base_model.embeddings.requires_grad_(False)
    order = list(range(len(texts)))
    rng.shuffle(order)
    check, train = order[: len(order) // 20], order[len(order) // 20 :]
    ids = tokenizer([texts[i] for i in train], truncation=True, max_length=given.max_tokens)["input_ids"]
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=given.rate, weight_decay=0.01)
    total, step, best, started = given.epochs * math.ceil(len(train) / given.batch), 0, -1.0, time.process_time()
    for epoch in range(given.epochs):
        model.train()
        for rows in batches([len(r) for r in ids], given.batch, rng):
            batch = tokenizer.pad({"input_ids": [ids[k] for k in rows]}, return_tensors="pt")
            for group in optimiser.param_groups:
                group["lr"] = given.rate * min((step + 1) / (0.1 * total), (total - step) / total)
            loss = model(**batch, labels=torch.tensor([labels[train[k]] for k in rows])).loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 50 == 0:
                print(f"step {step}/{total} loss {loss.item():.3f} processor {time.process_time() - started:.0f} s", flush=True)
        share = accuracy(model, tokenizer, [texts[i] for i in check], [labels[i] for i in check], given.max_tokens)
        print(f"epoch {epoch + 1}: {100 * share:.2f} % of the texts kept aside", flush=True)
        if share >= best:
            best = share
            model.save_pretrained(given.out)
            tokenizer.save_pretrained(given.out)
    model = AutoModelForSequenceClassification.from_pretrained(given.out, local_files_only=True)
    dev = accuracy(model, tokenizer, *texts_of(given.task, "dev", Path(given.data)), given.max_tokens)
    print(json.dumps({"task": given.task, "dev_accuracy": dev, "processor_seconds": round(time.process_time() - started)}))


if __name__ == "__main__":
    main()
