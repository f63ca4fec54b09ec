"""The encoder of this package: pre-norm, mean pooling, no affine norms, every residual branch of mean zero.

Three forms share one set of shapes:
  "exact"     softmax, GELU, LayerNorm: the reference model for all comparisons;
  "rational"  PowerSoftmax with a true division, norms with a true square root, the polynomial activation: for training;
  "poly"      the same with polynomials for 1/d and 1/sqrt(v) on measured ranges: the form that runs encrypted.
The steps and their order are those of FORM.md; reference.py computes them in f64 from the exported files.
"""

from dataclasses import dataclass

import torch
from torch import nn

from .activation import Chebyshev
from .approx import Polynomial, minimax
from .attention import length_agnostic_power_softmax
from .norm import PolyLayerNorm


@dataclass
class Shape:
    vocabulary: int
    classes: int
    layers: int = 2
    width: int = 128
    heads: int = 2
    feed_forward: int = 512
    max_tokens: int = 64


POWER = 4  # of attention, as the engines of `polyformer` evaluate it


@dataclass
class Form:
    """How the model is computed. `activation` is the polynomial in GELU's place; unused by the exact form."""

    kind: str = "rational"
    power: int = POWER
    epsilon: float = 0.02
    norm_epsilon: float = 1e-2
    activation: Polynomial | None = None

    def __post_init__(self):
        if self.power != POWER:  # before hours of training, not after them
            raise ValueError(f"a model with attention of power {self.power}: the engines evaluate power {POWER}")

    @staticmethod
    def polynomial(activation_degree=4, activation_range=4.0, **others):
        return Form("rational", activation=minimax("gelu", -activation_range, activation_range, activation_degree), **others)


class Layer(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)); the first layer's input is normalised already."""

    def __init__(self, shape, form, first):
        super().__init__()
        self.heads, self.form = shape.heads, form
        epsilon = 1e-5 if form.kind == "exact" else form.norm_epsilon
        centred = form.kind != "exact"
        self.norm_attention = None if first else PolyLayerNorm(shape.width, epsilon, centred)
        self.norm_feed_forward = PolyLayerNorm(shape.width, epsilon, centred)
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, shape.width)
        self.value = nn.Linear(shape.width, shape.width)
        self.output = nn.Linear(shape.width, shape.width)
        self.up = nn.Linear(shape.width, shape.feed_forward)
        self.down = nn.Linear(shape.feed_forward, shape.width)
        self.activation = nn.GELU() if form.kind == "exact" else Chebyshev(form.activation)
        self.reciprocal = None  # a polynomial once the denominators' range is measured

    def forward(self, x, mask, dropout, taps, name):
        rows = mask.unsqueeze(-1)
        h = x if self.norm_attention is None else self.norm_attention(x, taps, f"{name}.norm_attention", rows)
        x = x + dropout(_centre(self.output(self._attend(h, mask, taps, name))))
        _see(taps, f"{name}.attention.residual", x, rows)
        h = self.norm_feed_forward(x, taps, f"{name}.norm_feed_forward", rows)
        a = self.up(h)
        _see(taps, f"{name}.feed_forward.activation", a, rows)
        x = x + dropout(_centre(self.down(self.activation(a))))
        _see(taps, f"{name}.feed_forward.residual", x, rows)
        return x

    def _attend(self, h, mask, taps, name):
        batch, length, width = h.shape
        q, k, v = (
            f(h).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for f in (self.query, self.key, self.value)
        )
        scores = q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5
        keys = mask[:, None, None, :]
        if self.form.kind == "exact":
            weights = scores.masked_fill(keys == 0, -torch.inf).softmax(-1)
        else:
            rows = mask[:, None, :, None]
            _see(taps, f"{name}.attention.scores", scores, rows * keys)
            weights = length_agnostic_power_softmax(
                scores, keys, self.form.power, self.form.epsilon, self.reciprocal, taps, f"{name}.attention", rows
            )
            _see(taps, f"{name}.attention.weight_sum", weights.sum(-1, keepdim=True), rows)
        return (weights @ v).transpose(1, 2).reshape(batch, length, width)


class Classifier(nn.Module):
    """Token and position embeddings, normalised on the client; layers; mean over tokens; a linear classifier."""

    def __init__(self, shape, form, dropout=0.1):
        super().__init__()
        self.shape, self.form = shape, form
        self.token = nn.Embedding(shape.vocabulary, shape.width)
        self.position = nn.Embedding(shape.max_tokens, shape.width)
        self.layers = nn.ModuleList(Layer(shape, form, i == 0) for i in range(shape.layers))
        self.classifier = nn.Linear(shape.width, shape.classes)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.token.weight, std=1.0)
        nn.init.normal_(self.position.weight, std=0.1)

    def embed(self, ids, mask):
        """The client's computation before encryption: rows of mean 0 and variance 1, and zero rows without a token."""
        e = self.token(ids) + self.position.weight[: ids.shape[1]]
        e = _centre(e)
        return e * (e * e).mean(-1, keepdim=True).add(1e-5).rsqrt() * mask.unsqueeze(-1)

    def forward(self, ids, mask, taps=None):
        """Logits and the pooled vector. ids, mask: [batch, tokens]; mask is 1 at tokens, 0 at padding."""
        mask = mask.to(self.token.weight.dtype)
        x = self.dropout(self.embed(ids, mask))
        for i, layer in enumerate(self.layers):
            x = layer(x, mask, self.dropout, taps, f"layers.{i}")
        pooled = (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp_min(1.0)
        logits = self.classifier(self.dropout(pooled))
        _see(taps, "logits", logits, None)
        return logits, pooled

    def to_polynomial(self, ranges, margin, reciprocal_degree, inverse_sqrt_degree):
        """From the rational to the polynomial form: polynomials for 1/d and 1/sqrt(v) on the measured ranges, widened.

        The lower end of d is epsilon itself: a fact, not a measurement.
        """
        for i, layer in enumerate(self.layers):
            _, hi = ranges.of(f"layers.{i}.attention.denominator")
            layer.reciprocal = Chebyshev(minimax("reciprocal", self.form.epsilon, hi * margin, reciprocal_degree))
            for which in ("norm_attention", "norm_feed_forward"):
                norm = getattr(layer, which)
                if norm is not None:
                    lo, hi = ranges.of(f"layers.{i}.{which}.variance")
                    lo = max(lo / margin, norm.epsilon)
                    norm.inverse_sqrt = Chebyshev(minimax("inverse_sqrt", lo, hi * margin, inverse_sqrt_degree))
        self.form.kind = "poly"


def _centre(x):
    return x - x.mean(-1, keepdim=True)


def _see(taps, name, x, valid):
    if taps is not None:
        taps.see(name, x, valid)
