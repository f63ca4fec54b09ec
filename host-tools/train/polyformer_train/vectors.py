"""Inputs and outputs of every module on a few fixed numbers, for tests in other languages.

    python -m polyformer_train.vectors > host-tools/train/tests/vectors.json

The inputs come from a formula: x_k = sin(1 + 0.7 k) (1 + k mod 3) / 2. All in f64.
"""

import json
import math

import torch

from . import attention
from .approx import minimax, newton_inverse_sqrt, relaxed_inverse_sqrt, relaxed_reciprocal
from .norm import PolyLayerNorm

POLYNOMIALS = (
    ("gelu", -4.0, 4.0, 2),
    ("gelu", -4.0, 4.0, 4),
    ("gelu", -4.0, 4.0, 8),
    ("tanh", -3.0, 3.0, 7),
    ("sigmoid", -6.0, 6.0, 9),
    ("reciprocal", 0.02, 0.6, 7),
    ("reciprocal", 0.01, 1.0, 15),
    ("inverse_sqrt", 0.5, 6.0, 3),
    ("inverse_sqrt", 0.3, 9.0, 7),
)


def vectors():
    q, k = _numbers(12, 0).reshape(3, 4), _numbers(20, 5).reshape(5, 4)
    scores, mask = q @ k.T / 2.0, torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    x = _numbers(16, 9).reshape(2, 8)
    points = [0.02, 0.05, 0.1, 0.3, 0.7, 1.0]
    return {
        "query": q.tolist(),
        "key": k.tolist(),
        "scores": scores.tolist(),
        "mask": mask.tolist(),
        "attention": [
            {"kind": name, "power": p, "epsilon": e, "weights": f(scores, mask, p, e).tolist()}
            for name, f in (
                ("power_softmax_lipschitz", attention.power_softmax),
                ("power_softmax", attention.stable_power_softmax),
                ("power_softmax_length_agnostic", attention.length_agnostic_power_softmax),
            )
            for p, e in ((2, 1e-3), (4, 1e-3), (4, 2e-2), (6, 1e-2))
        ]
        + [
            {"kind": "scaled_sigma", "sigma": "gelu", "weights": attention.scaled_sigma(scores, mask).tolist()},
            {"kind": "gaussian_kernel", "weights": attention.gaussian_kernel(q, k, mask).tolist()},
        ],
        "decoder": decoder(),
        "norm": {"x": x.tolist(), "epsilon": 1e-2, "y": PolyLayerNorm(8, 1e-2)(x).tolist()},
        "iterations": {
            "x": points,
            "relaxed_inverse_sqrt": _steps(relaxed_inverse_sqrt, points),
            "relaxed_reciprocal": _steps(relaxed_reciprocal, points),
            "newton_inverse_sqrt": {"start": 1.0, "steps": 8, "y": [newton_inverse_sqrt(p, 1.0, 8) for p in points]},
        },
        "polynomials": [minimax(*p).to_json() for p in POLYNOMIALS],
    }


def decoder(tokens=5, heads=2, width=8, base=100.0, epsilon=2e-2):
    """Attention with rotary positions and a causal mask, with the polynomial for 1/d that an engine evaluates."""
    q, k, v = (_numbers(tokens * width, start).reshape(tokens, width) for start in (3, 8, 15))
    q, reciprocal = q / 2.0, minimax("reciprocal", epsilon, 2.0, 7)
    apart = lambda x: x.reshape(tokens, heads, width // heads).transpose(0, 1)
    together = lambda x: x.transpose(0, 1).reshape(tokens, width).tolist()
    turned = [attention.rotary(apart(x), base) for x in (q, k)]
    scores, causal = turned[0] @ turned[1].transpose(-1, -2), torch.tril(torch.ones(tokens, tokens, dtype=torch.float64))
    weights = [attention.length_agnostic_power_softmax(scores, causal, 4, epsilon, r) for r in (None, reciprocal)]
    return {
        "heads": heads,
        "base": base,
        "epsilon": epsilon,
        "reciprocal": reciprocal.to_json(),
        "query": q.tolist(),
        "key": k.tolist(),
        "value": v.tolist(),
        "rotated": {"query": together(turned[0]), "key": together(turned[1])},
        "scores": scores[0].tolist(),
        "weights": weights[0][0].tolist(),
        "mixed": together(weights[1] @ apart(v)),
    }


def _numbers(count, start):
    values = [math.sin(1.0 + 0.7 * i) * (1 + i % 3) / 2.0 for i in range(start, start + count)]
    return torch.tensor(values, dtype=torch.float64)


def _steps(f, points):
    return {"lo": 0.02, "hi": 1.0, "steps": 5, "y": [f(p, 0.02, 1.0, 5) for p in points]}


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))
