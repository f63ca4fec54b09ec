"""Replacements of softmax: PowerSoftmax in its three forms, scaled sigma-attention, the Gaussian kernel. Also rotary positions
of queries and keys.

Every function maps scores x [..., queries, keys] and a mask (1 keeps a key, 0 hides it; broadcast to x) to weights of
the same shape. A hidden key gets weight 0 because x * M = 0 and 0^p = 0: no minus infinity. See docs/math.md §13.
"""

import torch
from torch import nn


def power_softmax(x, mask=None, power=4, epsilon=1e-3):
    """Lipschitz division: x_j^p / (epsilon + sum_i x_i^p), p even."""
    xp = _powers(x, mask, power)
    return xp / (epsilon + xp.sum(-1, keepdim=True))


def stable_power_softmax(x, mask=None, power=4, epsilon=1e-3, delta=1e-6):
    """PowerSoftmax(x / c), c = max_j |x_j| + delta per row: no overflow for any scores. For training only (a maximum)."""
    x = x if mask is None else x * mask
    c = x.detach().abs().amax(-1, keepdim=True) + delta
    return power_softmax(x / c, None, power, epsilon)


def length_agnostic_power_softmax(x, mask=None, power=4, epsilon=1e-2, reciprocal=None, taps=None, name="", rows=None):
    """(1/L) x_j^p r(d), d = epsilon + (1/L) sum_i x_i^p, L the number of visible keys. r is 1/d or a polynomial for 1/d."""
    xp = _powers(x, mask, power)
    length = x.shape[-1] if mask is None else _expand(mask, x).sum(-1, keepdim=True).clamp_min(1)
    d = epsilon + xp.sum(-1, keepdim=True) / length
    if taps is not None:
        taps.see(f"{name}.denominator", d, rows)
    return xp / length * (1.0 / d if reciprocal is None else reciprocal(d))


def scaled_sigma(x, mask=None, sigma=nn.functional.gelu):
    """(1 / sqrt L) sigma(x_j): no normalisation, no division."""
    y = sigma(x)
    length = x.shape[-1] if mask is None else _expand(mask, x).sum(-1, keepdim=True).clamp_min(1)
    return (y if mask is None else y * mask) / length**0.5


def gaussian_kernel(query, key, mask=None):
    """exp(-|Q_i - K_j|^2 / (2 sqrt d)) from the vectors themselves; the exponent is never positive."""
    q2, k2 = (query**2).sum(-1, keepdim=True), (key**2).sum(-1).unsqueeze(-2)
    distance = (q2 + k2 - 2.0 * query @ key.transpose(-1, -2)).clamp_min(0.0)
    y = torch.exp(-distance / (2.0 * query.shape[-1] ** 0.5))
    return y if mask is None else y * mask


def rotary(x, base=10000.0):
    """Queries or keys x [..., tokens, d]: features i and i + d/2 of token t turned by t base^(-2i/d), halves as in Llama."""
    half = x.shape[-1] // 2
    count = lambda n: torch.arange(n, dtype=x.dtype, device=x.device)
    angles = count(x.shape[-2]).unsqueeze(-1) * base ** (-count(half) / half)
    first, second = x[..., :half], x[..., half:]
    return torch.cat((first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), -1)


def _powers(x, mask, power):
    if power < 2 or power % 2:
        raise ValueError(f"PowerSoftmax needs an even power, got {power}")
    y = x if mask is None else x * mask
    if power & (power - 1):
        return (y * y) ** (power // 2)
    for _ in range(power.bit_length() - 1):  # half the time of a power with a real exponent
        y = y * y
    return y


def _expand(mask, x):
    return mask.to(x.dtype).expand(*mask.shape[:-2], x.shape[-2], x.shape[-1])


class PowerSoftmax(nn.Module):
    """PowerSoftmax as a module; `form` is "lipschitz", "stable" or "length_agnostic"."""

    FORMS = {
        "lipschitz": power_softmax,
        "stable": stable_power_softmax,
        "length_agnostic": length_agnostic_power_softmax,
    }

    def __init__(self, power=4, epsilon=1e-3, form="stable"):
        super().__init__()
        self.power, self.epsilon, self.form = power, epsilon, form
        self.weights = self.FORMS[form]

    def forward(self, x, mask=None):
        return self.weights(x, mask, self.power, self.epsilon)


class ScaledSigma(nn.Module):
    """Scaled sigma-attention as a module."""

    def __init__(self, sigma=nn.functional.gelu):
        super().__init__()
        self.sigma = sigma

    def forward(self, x, mask=None):
        return scaled_sigma(x, mask, self.sigma)


class GaussianKernel(nn.Module):
    """Gaussian-kernel attention as a module, with queries and keys as inputs."""

    def forward(self, query, key, mask=None):
        return gaussian_kernel(query, key, mask)


class Rotary(nn.Module):
    """Rotary positions as a module."""

    def __init__(self, base=10000.0):
        super().__init__()
        self.base = base

    def forward(self, x):
        return rotary(x, self.base)
