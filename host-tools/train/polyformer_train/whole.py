"""The second pass of a conversion: the whole polynomial form learns from the original, with losses that keep the ranges.

The targets are the original's states after some layers, its pooled row, and its logits. They are computed once. The rate falls
with the share of the time that is used up, so a conversion of any length ends at a small rate. A polynomial whose range the values of
some text leave is fitted anew before the first step and after the last.
"""

import random
import time

import torch
from torch import nn

from .encoder import NORMS
from .layerwise import activation_of, reciprocal_of, root_of
from .measure import Excess, Extent
from .polyfit import widened

KEPT_BYTES = 800_000_000  # of states of the original, f16


def bounds(student, margin):
    """Of every place with a polynomial: the range without its margin."""
    out = {}
    for i, layer in enumerate(student.layers):
        for name, p in polynomials(layer).items():
            lo, hi = p.lo, p.hi
            if name == "reciprocal":
                lo, hi = lo * margin, hi / margin**layer.attention.power
            elif name == "activation":
                lo, hi = widened(lo, hi, 1.0 / margin)
            else:
                lo, hi = lo * margin**2, hi / margin**2
            out[f"layers.{i}.{PLACES[name]}"] = (lo, hi)
    return out


PLACES = {
    "reciprocal": "attention.denominator",
    "norm_attention": "norm_attention.variance",
    "norm_feed_forward": "norm_feed_forward.variance",
    "activation": "feed_forward.activation",
}


def polynomials(layer):
    """The polynomials of a converted layer by name."""
    return {
        "reciprocal": layer.attention.reciprocal.polynomial,
        "norm_attention": layer.norm_attention.root.polynomial,
        "norm_feed_forward": layer.norm_feed_forward.root.polynomial,
        "activation": layer.activation.polynomial,
    }


@torch.no_grad()
def fix(student, batches, options):
    """Fits every polynomial anew whose range the values of these texts leave. Arguments are clamped, as in training: one value
    outside of a range shows, and its consequences do not. Returns how many were fitted."""
    student.train()
    taps, count = Extent(), 0
    for _, ids, mask in batches:
        student(ids, mask, taps, mask)
    for i, layer in enumerate(student.layers):
        for name, p in polynomials(layer).items():
            place = f"layers.{i}.{PLACES[name]}"
            lo, hi = taps.of(place)
            if p.lo <= lo and hi <= p.hi:
                continue
            count += 1
            if name == "reciprocal":
                layer.attention.reciprocal = reciprocal_of(taps, place, options)
            elif name in NORMS:
                norm = getattr(layer, name)
                norm.root = root_of(taps, place, options, norm.epsilon)
            else:
                layer.activation = activation_of(student.size.activation, lo, hi, taps.sample(place), options)
    return count


class Targets:
    """What the original says of every batch."""

    @torch.no_grad()
    def __init__(self, teacher, batches):
        tokens = sum(mask.numel() for _, _, mask in batches)
        count = max(1, min(teacher.size.layers, KEPT_BYTES // (2 * tokens * teacher.size.width)))
        self.layers = sorted({teacher.size.layers - k * teacher.size.layers // count for k in range(count)})
        self.rows = []
        for _, ids, mask in batches:
            states, pooled, logits = teacher(ids, mask)
            self.rows.append(([states[i].half() for i in self.layers], pooled, logits))

    def loss(self, k, mask, outputs):
        """(loss, the part that the answer's quality is): states, and the pooled direction or the logits."""
        states, pooled, logits = outputs
        wanted, wanted_pooled, wanted_logits = self.rows[k]
        keep = mask.unsqueeze(-1).to(pooled.dtype)
        off = 0.0
        for i, target in zip(self.layers, wanted):
            target = target.to(pooled.dtype) * keep
            off = off + ((states[i] * keep - target).square().sum() / target.square().sum())
        off = off / len(self.layers)
        if logits is None:
            answer = 1.0 - nn.functional.cosine_similarity(pooled, wanted_pooled).mean()
            return 2.0 * off + 10.0 * answer, answer
        answer = nn.functional.kl_div(logits.log_softmax(-1), wanted_logits.log_softmax(-1), reduction="batchmean", log_target=True)
        return off + 2.0 * answer + 0.02 * (logits - wanted_logits).square().mean(), answer


class Whole:
    """The training loop, with a state that a checkpoint keeps."""

    def __init__(self, student, options):
        self.student, self.options = student, options
        for p in student.parameters():
            p.requires_grad_(True)
        groups = [
            {"params": [p for p in student.parameters() if p.dim() > 1], "weight_decay": 0.0},
            {"params": [p for p in student.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98))
        self.step, self.seconds, self.curve = 0, 0.0, []

    def state(self):
        own = {name: getattr(self, name) for name in ("step", "seconds", "curve")}
        return own | {"optimiser": self.optimiser.state_dict()}

    def load(self, state):
        self.optimiser.load_state_dict(state["optimiser"])
        for name in ("step", "seconds", "curve"):
            setattr(self, name, state[name])

    def run(self, batches, targets, seconds, save, progress, save_every=300.0):
        """Trains until `seconds` of this pass are used up, those before a resumption included."""
        o, student = self.options, self.student
        if self.step == 0:
            fix(student, batches, o)
        excess = Excess(bounds(student, o.margin))
        started, saved = time.monotonic() - self.seconds, time.monotonic()
        running, order, a_pass = None, [], -1
        student.train()
        while (share := (time.monotonic() - started) / max(seconds, 1e-9)) < 1.0 and self.step < o.most_steps:
            if self.step // len(batches) != a_pass:
                a_pass = self.step // len(batches)
                order = list(range(len(batches)))
                random.Random(o.seed + a_pass).shuffle(order)
            k = order[self.step % len(batches)]
            _, ids, mask = batches[k]
            rate = o.rate * min(1.0, (self.step + 1) / 20) * (1.0 - share * 0.98)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            outputs = student(ids, mask, excess, mask)
            loss, answer = targets.loss(k, mask, outputs)
            over = excess.take()
            loss = loss + o.penalty * over
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            self.optimiser.step()
            self.step += 1
            now = tuple(float(v.detach()) for v in (loss, answer, over))
            running = now if running is None else tuple(0.98 * a + 0.02 * b for a, b in zip(running, now))
            self.seconds = time.monotonic() - started
            if self.step % 50 == 0:
                self.curve.append([self.step, round(self.seconds, 1), *(round(v, 6) for v in running)])
            progress(share, f"step {self.step}, loss {running[0]:.4f}, answer off {running[1]:.5f}, ranges {running[2]:.5f}")
            if time.monotonic() - saved > save_every:
                save()
                saved = time.monotonic()
        if self.step:
            fix(student, batches, o)
        progress(1.0, f"step {self.step}")
