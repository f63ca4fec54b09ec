"""The training loop: task loss, distillation and the supplementary losses, in two phases.

The first phase trains the rational form (true division, true square roots) with penalties that keep every range narrow. Then
the ranges are measured, and polynomials are fixed on the ranges. The second phase trains the polynomial form. The reference
model has the same schedule without penalties and without the switch.
"""

import math
import time
from dataclasses import dataclass, field

import torch
from torch import nn

from .distil import pad
from .ranges import Losses, Ranges

BOUNDS = {
    "scores": (0.0, 1.0),
    "denominator": (0.0, 0.35),
    "variance": (0.6, 3.0),
    "activation": (-3.3, 3.3),
    "residual": (-5.0, 5.0),
}
WEIGHTS = {"denominator": 4.0, "scores": 2.0}


@dataclass
class Schedule:
    passes: float = 4.5
    polynomial_share: float = 0.3  # of the passes, at the end
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.02
    warmup: float = 0.05
    smoothing: float = 0.05
    soft_labels: float = 1.0
    embedding: float = 1.0
    temperature: float = 2.0
    penalty: float = 1.0
    margin: float = 1.3
    reciprocal_degree: int = 7
    inverse_sqrt_degree: int = 3
    word_dropout: float = 0.05
    bounds: dict = field(default_factory=lambda: dict(BOUNDS))
    weights: dict = field(default_factory=lambda: dict(WEIGHTS))


@dataclass
class Corpus:
    """Token ids, labels (-1: none), the teacher's embeddings and its logits (or None for both)."""

    ids: list
    labels: torch.Tensor
    embeddings: torch.Tensor | None = None
    logits: torch.Tensor | None = None


def fit(model, corpus, schedule, seed, device="cpu", log=print):
    """Trains in place. Returns (seconds of processor time, ranges measured at the switch or None)."""
    torch.manual_seed(seed)
    model.to(device).train()
    s, exact = schedule, model.form.kind == "exact"
    head = None
    if corpus.embeddings is not None:  # made on the processor: the same start on every device
        head = nn.Linear(model.shape.width, corpus.embeddings.shape[1], device="cpu").to(device)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": s.decay},
        {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if head is not None:
        groups.append({"params": head.parameters(), "weight_decay": 0.0})
    optimiser = torch.optim.AdamW(groups, lr=s.rate, betas=(0.9, 0.99))
    a_pass = math.ceil(len(corpus.ids) / s.batch)
    total = int(s.passes * a_pass)
    switch = None if exact else int(total * (1.0 - s.polynomial_share))
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: _rate(i, total, s.warmup))
    losses = Losses(s.bounds, s.weights) if not exact else None
    started, step, measured, running = time.process_time(), 0, None, 0.0
    while step < total:
        for rows in _batches(corpus.ids, s.batch):
            if step == switch:
                measured = measure(model, corpus.ids, device)
                model.to_polynomial(measured, s.margin, s.reciprocal_degree, s.inverse_sqrt_degree)
                model.train()
            if step >= total:
                break
            ids, mask = (t.to(device) for t in pad([corpus.ids[i] for i in rows]))
            if s.word_dropout:
                ids = torch.where((torch.rand(ids.shape, device=device) < s.word_dropout) & (mask == 1), 1, ids)
            logits, pooled = model(ids, mask, losses)
            loss = _loss(corpus, rows, logits, pooled, head, s, device)
            if losses is not None:
                loss = loss + s.penalty * losses.take()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            rate.step()
            step += 1
            running += loss.item()
            if step % 200 == 0:
                log(f"step {step}/{total} loss {running / 200:.4f} cpu {time.process_time() - started:.0f} s")
                running = 0.0
    return time.process_time() - started, measured


def _loss(corpus, rows, logits, pooled, head, s, device):
    labels = corpus.labels[rows].to(device)
    known = labels >= 0
    loss = logits.new_zeros(())
    if known.any():
        loss = nn.functional.cross_entropy(logits[known], labels[known], label_smoothing=s.smoothing)
    if corpus.logits is not None:
        target = (corpus.logits[rows].to(device) / s.temperature).softmax(-1)
        soft = -(target * (logits / s.temperature).log_softmax(-1)).sum(-1).mean()
        loss = loss + s.soft_labels * s.temperature * soft
    if head is not None:
        cosine = nn.functional.cosine_similarity(head(pooled), corpus.embeddings[rows].to(device), dim=-1)
        loss = loss + s.embedding * (1.0 - cosine).mean()
    return loss


def _rate(step, total, warmup):
    ramp = max(1, int(total * warmup))
    return (step + 1) / ramp if step < ramp else 0.02 + 0.49 * (1.0 + math.cos(math.pi * (step - ramp) / (total - ramp)))


def _batches(ids, size, group=50):
    """Random batches of similar length."""
    order = torch.randperm(len(ids), device="cpu").tolist()
    batches = []
    for i in range(0, len(order), size * group):
        chunk = sorted(order[i : i + size * group], key=lambda k: len(ids[k]))
        batches += [chunk[j : j + size] for j in range(0, len(chunk), size)]
    return [batches[i] for i in torch.randperm(len(batches), device="cpu").tolist()]


@torch.no_grad()
def measure(model, ids, device="cpu", batch=128):
    """Ranges over these texts."""
    model.eval()
    ranges = Ranges()
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for i in range(0, len(order), batch):
        model(*(t.to(device) for t in pad([ids[k] for k in order[i : i + batch]])), ranges)
    return ranges


@torch.no_grad()
def accuracy(model, ids, labels, device="cpu", batch=128):
    """Share of texts whose largest logit is their label's."""
    model.eval()
    right = 0
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for i in range(0, len(order), batch):
        rows = order[i : i + batch]
        logits, _ = model(*(t.to(device) for t in pad([ids[k] for k in rows])))
        right += (logits.argmax(-1).cpu() == torch.as_tensor([labels[k] for k in rows], device="cpu")).sum().item()
    return right / len(ids)
