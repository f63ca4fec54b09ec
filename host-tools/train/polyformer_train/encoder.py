"""BERT's encoder with every non-polynomial part as a site that is exact or a polynomial.

A layer has four sites: attention (softmax or PowerSoftmax), norm_attention and norm_feed_forward (1/sqrt), and activation. A site
that holds None is exact, so one class is the original, the polynomial form, and every mixture of both. The norms follow the
residual sums (post-norm). The embeddings are computed by the client, exactly.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .attention import length_agnostic_power_softmax

ACTIVATIONS = {
    "gelu": nn.functional.gelu,
    "gelu_tanh": lambda x: nn.functional.gelu(x, approximate="tanh"),
    "relu": nn.functional.relu,
}
NORMS = ("norm_attention", "norm_feed_forward")
SITES = ("attention", *NORMS, "activation")


@dataclass
class Size:
    layers: int
    width: int
    heads: int
    feed_forward: int
    epsilon: float
    activation: str
    pooling: str
    classes: int = 0


class _Evaluate(torch.autograd.Function):
    """p(x) and p'(x) by Horner in place: two tensors for the backward pass, whatever the degree."""

    @staticmethod
    def forward(context, x, lo, hi, powers):
        slope = 2.0 / (hi - lo)
        t = x.clamp(lo, hi).sub_(lo).mul_(slope).sub_(1.0)
        y, d = torch.full_like(t, powers[-1]), torch.zeros_like(t)
        needed = context.needs_input_grad[0]
        for c in powers[-2::-1]:
            if needed:
                d.mul_(t).add_(y)
            y.mul_(t).add_(c)
        if needed:
            d.mul_(slope).masked_fill_((x < lo) | (x > hi), 0.0)
            context.save_for_backward(d)
        return y

    @staticmethod
    def backward(context, gradient):
        (d,) = context.saved_tensors
        return gradient * d, None, None, None


class Poly(nn.Module):
    """A polynomial of approx.py. In training the argument is clamped to the range, and the range losses bring it back. In
    evaluation nothing is clamped, and the sum is Clenshaw's."""

    def __init__(self, polynomial):
        super().__init__()
        self.polynomial = polynomial
        self.powers = np.polynomial.chebyshev.cheb2poly(polynomial.coeffs).tolist()

    def forward(self, x):
        p = self.polynomial
        return _Evaluate.apply(x, p.lo, p.hi, self.powers) if self.training else p(x)


class Power(nn.Module):
    """The parameters of PowerSoftmax in its length-agnostic form; `reciprocal` is None for a true division."""

    def __init__(self, power, epsilon, reciprocal=None):
        super().__init__()
        self.power, self.epsilon, self.reciprocal = power, epsilon, reciprocal


class Norm(nn.Module):
    """c r(v) g + b with c = x - mean(x), v = mean(c^2) + epsilon, r = 1/sqrt or a polynomial."""

    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.epsilon, self.root = epsilon, None

    def forward(self, x, taps=None, name="", rows=None):
        if self.root is None and taps is None:
            return nn.functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)
        c = x - x.mean(-1, keepdim=True)
        v = (c * c).mean(-1, keepdim=True) + self.epsilon
        _see(taps, f"{name}.variance", v, rows)
        return c * (v.rsqrt() if self.root is None else self.root(v)) * self.weight + self.bias


class Layer(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size, self.exact_activation = size, ACTIVATIONS[size.activation]
        for name in ("query", "key", "value", "output"):
            setattr(self, name, nn.Linear(size.width, size.width))
        self.up = nn.Linear(size.width, size.feed_forward)
        self.down = nn.Linear(size.feed_forward, size.width)
        self.norm_attention, self.norm_feed_forward = Norm(size.width, size.epsilon), Norm(size.width, size.epsilon)
        self.attention, self.activation = None, None

    def heads(self, x):
        batch, length, width = x.shape
        return x.view(batch, length, self.size.heads, width // self.size.heads).transpose(1, 2)

    def scores(self, x):
        scale = (self.size.width // self.size.heads) ** -0.5
        return self.heads(self.query(x)) * scale @ self.heads(self.key(x)).transpose(-1, -2)

    def weights(self, scores, mask, taps=None, name="", rows=None):
        """Attention weights [batch, head, query, key] of scores, and the taps of both."""
        keys = mask[:, None, None, :]
        if self.attention is None:
            return scores.masked_fill(keys == 0, -torch.inf).softmax(-1)
        a, seen = self.attention, None if rows is None else rows.unsqueeze(1)
        _see(taps, f"{name}.attention.scores", scores, None if seen is None else seen * keys)
        return length_agnostic_power_softmax(scores, keys, a.power, a.epsilon, a.reciprocal, taps, f"{name}.attention", seen)

    def context(self, x, mask, taps=None, name="", rows=None):
        """The heads' sums of values, side by side: the input of `output`."""
        w = self.weights(self.scores(x), mask, taps, name, rows)
        mixed = (w @ self.heads(self.value(x))).transpose(1, 2).reshape(x.shape)
        _see(taps, f"{name}.attention.mixed", mixed, rows)
        return mixed

    def after_attention(self, x, context, taps=None, name="", rows=None):
        x = x + self.output(context)
        _see(taps, f"{name}.attention.residual", x, rows)
        return self.norm_attention(x, taps, f"{name}.norm_attention", rows)

    def active(self, h, taps=None, name="", rows=None):
        a = self.up(h)
        _see(taps, f"{name}.feed_forward.activation", a, rows)
        return self.exact_activation(a) if self.activation is None else self.activation(a)

    def after_feed_forward(self, h, active, taps=None, name="", rows=None):
        x = h + self.down(active)
        _see(taps, f"{name}.feed_forward.residual", x, rows)
        return self.norm_feed_forward(x, taps, f"{name}.norm_feed_forward", rows)

    def forward(self, x, mask, taps=None, name="", rows=None):
        h = self.after_attention(x, self.context(x, mask, taps, name, rows), taps, name, rows)
        y = self.after_feed_forward(h, self.active(h, taps, name, rows), taps, name, rows)
        _see(taps, f"{name}.output", y, rows)
        return y


class Encoder(nn.Module):
    """The whole model. `head` is a dense map with an activation before the classifier, of originals only."""

    def __init__(self, size, embeddings, head=None):
        super().__init__()
        self.size = size
        for name, table in embeddings.items():
            self.register_buffer(name, table, persistent=False)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.layers))
        self.head = head
        self.dense = nn.Linear(size.width, size.width) if head else None
        self.classifier = nn.Linear(size.width, size.classes) if size.classes else None

    def embed(self, ids, mask):
        """The client's part: exact, and 0 on rows of padding."""
        e = self.word[ids] + self.position[: ids.shape[1]]
        e = nn.functional.layer_norm(e, (self.size.width,), self.gain, self.shift, self.size.epsilon)
        return e * mask.unsqueeze(-1)

    def forward(self, ids, mask, taps=None, valid=None):
        """(outputs of the embedding and of each layer, pooled row, logits or None). `valid` [batch, tokens] marks the rows
        that the taps see, all of them if it is None."""
        mask = mask.to(self.word.dtype)
        rows = None if valid is None else valid.to(mask.dtype).unsqueeze(-1)
        states = [self.embed(ids, mask)]
        _see(taps, "embedding", states[0], rows)
        for i, layer in enumerate(self.layers):
            states.append(layer(states[-1], mask, taps, f"layers.{i}", rows))
        pooled = self.pool(states[-1], mask)
        logits = self.answer(pooled)
        _see(taps, "pooled", pooled, None)
        if logits is not None:
            _see(taps, "logits", logits, None)
        return states, pooled, logits

    def pool(self, x, mask):
        if self.size.pooling == "first":
            return x[:, 0]
        return (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)

    def answer(self, pooled):
        if self.classifier is None:
            return None
        if self.head is not None:
            pooled = (torch.tanh if self.head == "tanh" else torch.relu)(self.dense(pooled))
        return self.classifier(pooled)


def install(layer, polynomials, power, epsilon):
    """Makes a layer polynomial, with polynomials by the names of config.json."""
    layer.attention = Power(power, epsilon, Poly(polynomials["reciprocal"]))
    layer.activation = Poly(polynomials["activation"])
    for name in NORMS:
        getattr(layer, name).root = Poly(polynomials[name])


_LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "norm_attention": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm_feed_forward": "output.LayerNorm",
}


def from_source(source):
    """The original as an Encoder, in evaluation mode."""
    c, t = source.config, source.tensors
    size = Size(
        c["num_hidden_layers"],
        c["hidden_size"],
        c["num_attention_heads"],
        c["intermediate_size"],
        c["layer_norm_eps"],
        source.activation,
        source.pooling,
        len(source.labels),
    )
    position = t["embeddings.position_embeddings.weight"].clone()
    types = t.get("embeddings.token_type_embeddings.weight")
    embeddings = {
        "word": t["embeddings.word_embeddings.weight"],
        "position": position if types is None else position + types[0],
        "gain": t["embeddings.LayerNorm.weight"],
        "shift": t["embeddings.LayerNorm.bias"],
    }
    model = Encoder(size, embeddings, source.head)
    state = {
        f"layers.{i}.{ours}.{kind}": t[f"encoder.layer.{i}.{theirs}.{kind}"]
        for i in range(size.layers)
        for ours, theirs in _LAYER.items()
        for kind in ("weight", "bias")
    }
    if size.classes:
        state |= {f"classifier.{k}": t[f"classifier.{k}"] for k in ("weight", "bias")}
    if source.head:
        state |= {f"dense.{k}": t[f"head.dense.{k}"] for k in ("weight", "bias")}
    model.load_state_dict(state)
    return model.eval()


def tensors(model, source):
    """The tensors of a model under BERT's names, f32; the embeddings as the source has them."""
    out = {k: v for k, v in source.tensors.items() if k.startswith("embeddings.")}
    for i, layer in enumerate(model.layers):
        for ours, theirs in _LAYER.items():
            for kind in ("weight", "bias"):
                out[f"encoder.layer.{i}.{theirs}.{kind}"] = getattr(getattr(layer, ours), kind)
    if model.classifier is not None:
        out |= {f"classifier.{k}": getattr(model.classifier, k) for k in ("weight", "bias")}
    if model.dense is not None:
        out |= {f"head.dense.{k}": getattr(model.dense, k) for k in ("weight", "bias")}
    return {k: v.detach().cpu().float().contiguous() for k, v in out.items()}


def _see(taps, name, x, valid):
    if taps is not None:
        taps.see(name, x, valid)
