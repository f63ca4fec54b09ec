"""Transformers of polynomials, in PyTorch: attention without softmax, norms without square roots, range-aware training.

    import polyformer_train as pt
    pt.register()                                        # names for Hugging Face models
    model.set_attn_implementation("power_softmax")
"""

from .activation import Chebyshev, PolyActivation
from .approx import Polynomial, minimax
from .attention import (
    GaussianKernel,
    PowerSoftmax,
    Rotary,
    ScaledSigma,
    gaussian_kernel,
    length_agnostic_power_softmax,
    power_softmax,
    rotary,
    scaled_sigma,
    stable_power_softmax,
)
from .hf import NAMES, register
from .norm import PolyLayerNorm, by_newton, by_polynomial, by_relaxed_newton
from .ranges import Losses, Ranges
