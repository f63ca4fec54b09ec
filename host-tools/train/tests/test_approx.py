import numpy as np
import pytest
import torch

from polyformer_train.activation import Chebyshev, PolyActivation
from polyformer_train.approx import (
    FUNCTIONS,
    Polynomial,
    minimax,
    newton_inverse_sqrt,
    relaxed_inverse_sqrt,
    relaxed_reciprocal,
)


@pytest.mark.parametrize("lo, hi, degree", [(1.0, 30.0, 7), (0.02, 0.4, 7), (1.0, 100.0, 15), (0.3, 7.0, 3)])
def test_the_reciprocal_reaches_the_error_known_in_closed_form(lo, hi, degree):
    # min max |1 - x p(x)| over degree n is 1 / T_{n+1}((hi + lo) / (hi - lo))
    known = 1.0 / np.cosh((degree + 1) * np.arccosh((hi + lo) / (hi - lo)))
    p = minimax("reciprocal", lo, hi, degree)
    x = np.linspace(lo, hi, 20001)
    assert abs(p.error / known - 1.0) < 1e-4
    assert np.abs(1.0 - x * p(x)).max() <= p.error * 1.001


@pytest.mark.parametrize("name, lo, hi, degree", [
    ("gelu", -4, 4, 2), ("gelu", -4, 4, 4), ("gelu", -3, 5, 6), ("relu", -1, 1, 2), ("tanh", -3, 3, 8),
    ("sigmoid", -6, 6, 9), ("inverse_sqrt", 0.3, 9, 7), ("inverse_sqrt", 0.2, 150, 15),
])
def test_the_error_alternates_as_often_as_the_best_polynomial_demands(name, lo, hi, degree):
    f, relative = FUNCTIONS[name]
    p, x = minimax(name, lo, hi, degree), np.linspace(lo, hi, 40001)
    e = (f(x) - p(x)) / (f(x) if relative else 1.0)
    assert np.abs(e).max() <= p.error * 1.001
    assert p.degree == degree
    at_level = np.sign(e[np.abs(e) > 0.995 * p.error])
    assert 1 + np.count_nonzero(np.diff(at_level)) >= degree + 2


def test_the_best_parabola_of_relu_is_the_known_one():
    # |x| on [-1, 1] is best approximated by x^2 + 1/8, so relu by (x + x^2 + 1/8) / 2
    assert minimax("relu", -1, 1, 2).error == pytest.approx(1 / 16, abs=1e-6)


def test_ranges_that_have_no_polynomial_are_refused():
    for name, lo, hi in (("reciprocal", 0.0, 1.0), ("inverse_sqrt", -1.0, 1.0), ("gelu", 1.0, 1.0)):
        with pytest.raises(ValueError):
            minimax(name, lo, hi, 3)


def test_relaxed_iterations_converge_in_the_steps_of_the_table():
    x = np.linspace(0.2, 150.0, 5001)
    assert np.abs(relaxed_inverse_sqrt(x, 0.2, 150.0, 6) * np.sqrt(x) - 1.0).max() < 1e-3
    y = np.linspace(1e-2, 1.0, 5001)
    assert np.abs(relaxed_reciprocal(y, 1e-2, 1.0, 6) * y - 1.0).max() < 1e-3
    assert np.abs(newton_inverse_sqrt(y, 1.0, 14) * np.sqrt(y) - 1.0).max() < 1e-6


@pytest.mark.parametrize("degree", [2, 4, 7, 12])
def test_torch_and_numpy_evaluate_the_same_polynomial(degree):
    module = PolyActivation("gelu", -4.0, 4.0, degree).eval()
    x = np.linspace(-4.5, 4.5, 301)
    assert np.allclose(module(torch.from_numpy(x)).numpy(), module.polynomial(x), atol=1e-12)
    assert np.allclose(module(torch.from_numpy(x).float()).numpy(), module.polynomial(x), atol=2e-5)


def test_training_clamps_to_the_range_and_evaluation_does_not():
    p = Chebyshev(minimax("inverse_sqrt", 0.5, 4.0, 7))
    assert torch.equal(p.train()(torch.tensor([9.0])), p.train()(torch.tensor([4.0])))
    assert not torch.equal(p.eval()(torch.tensor([9.0])), p.eval()(torch.tensor([4.0])))


def test_a_polynomial_survives_json():
    p = minimax("gelu", -4, 4, 4)
    assert Polynomial.from_json(p.to_json()) == p
