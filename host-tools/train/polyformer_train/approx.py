"""Polynomials that approximate functions: minimax by the Remez exchange, from (function, range, degree).

Coefficients are in the Chebyshev basis of the range, T_0 first: p(x) = sum c_i T_i(t), t = (2x - lo - hi) / (hi - lo).
All numbers are computed in f64, and none comes from a table. See docs/math.md §11.5 and docs/math.md §12.2.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Polynomial:
    """p(x) = sum coeffs_i T_i(t) on [lo, hi]; `error` is the largest weighted error the exchange found."""

    function: str
    lo: float
    hi: float
    coeffs: tuple
    error: float
    relative: bool

    def __call__(self, x):
        """Clenshaw's recurrence, in the order of operations of FORM.md."""
        t = ((x - self.lo) - (self.hi - x)) / (self.hi - self.lo)
        a, b = 0.0 * t, 0.0 * t
        for c in self.coeffs[:0:-1]:
            a, b = 2.0 * t * a - b + c, a
        return t * a - b + self.coeffs[0]

    @property
    def degree(self):
        return len(self.coeffs) - 1

    def to_json(self):
        return asdict(self) | {"coeffs": list(self.coeffs), "degree": self.degree}

    @staticmethod
    def from_json(data):
        return Polynomial(data["function"], data["lo"], data["hi"], tuple(data["coeffs"]), data["error"], data["relative"])


_erf = np.vectorize(math.erf, otypes=[float])

FUNCTIONS = {
    # name: (function, is the error that counts the relative one)
    "gelu": (lambda x: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))), False),
    "gelu_tanh": (lambda x: 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))), False),
    "relu": (lambda x: np.maximum(x, 0.0), False),
    "tanh": (np.tanh, False),
    "sigmoid": (lambda x: 1.0 / (1.0 + np.exp(-x)), False),
    "reciprocal": (lambda x: 1.0 / x, True),
    "inverse_sqrt": (lambda x: 1.0 / np.sqrt(x), True),
}


def minimax(name, lo, hi, degree):
    """The best polynomial of that degree for a named function: least largest error, relative for 1/x and 1/sqrt(x)."""
    f, relative = FUNCTIONS[name]
    if not lo < hi or (relative and lo <= 0.0):
        raise ValueError(f"{name} has no polynomial on [{lo}, {hi}]")
    coeffs, error = remez(f, lo, hi, degree, (lambda x: 1.0 / f(x)) if relative else (lambda x: np.ones_like(x)))
    return Polynomial(name, float(lo), float(hi), tuple(float(c) for c in coeffs), float(error), relative)


def remez(f, lo, hi, degree, weight, rounds=60):
    """min over p of max |weight (f - p)| on [lo, hi]: coefficients and that maximum. Multi-point exchange on a fine grid."""
    grid = np.cos(np.linspace(np.pi, 0.0, 200 * (degree + 2)))
    if lo < 0.0 < hi:  # where relu has its kink
        grid = np.union1d(grid, -(hi + lo) / (hi - lo))
    points = len(grid)
    x = 0.5 * (hi + lo) + 0.5 * (hi - lo) * grid
    basis, y, w = np.polynomial.chebyshev.chebvander(grid, degree), f(x), weight(x)
    nodes = np.round(np.linspace(0, points - 1, degree + 2)).astype(int)  # the grid is already Chebyshev-spaced
    best, least = None, np.inf
    for _ in range(rounds):
        signs = (-1.0) ** np.arange(degree + 2)
        system = np.column_stack([basis[nodes], signs / w[nodes]])
        solution = np.linalg.solve(system, y[nodes])
        coeffs, levelled = solution[:-1], abs(solution[-1])
        e = w * (y - basis @ coeffs)
        worst = np.abs(e).max()
        if worst < least:
            best, least = coeffs, worst
        if worst <= levelled * (1.0 + 1e-9) + 1e-15:
            break
        nodes = _exchange(e, degree + 2)
        if nodes is None:  # too few extrema: the error is rounding, or even, and one degree more has the same best polynomial
            coeffs, error = remez(f, lo, hi, degree + 1, weight, rounds) if degree % 2 == 0 and worst > 1e-12 else (None, 0)
            if coeffs is not None and abs(coeffs[-1]) < 1e-9:
                return coeffs[:-1], error
            break
    return best, least


def _exchange(e, count):
    """Indices of the `count` largest extrema of alternating sign, or None if fewer exist."""
    sign = np.sign(e)
    runs = np.flatnonzero(np.diff(sign)) + 1
    pieces = [p for p in np.split(np.arange(len(e)), runs) if sign[p[0]] != 0]
    extrema = [p[np.argmax(np.abs(e[p]))] for p in pieces]
    while len(extrema) > count:
        if len(extrema) == count + 1:
            extrema.pop(0 if abs(e[extrema[0]]) < abs(e[extrema[-1]]) else -1)
        else:  # drop the least and its smaller neighbour: the signs still alternate
            i = min(range(len(extrema)), key=lambda k: abs(e[extrema[k]]))
            if i in (0, len(extrema) - 1):
                extrema.pop(i)
            else:
                j = i - 1 if abs(e[extrema[i - 1]]) < abs(e[extrema[i + 1]]) else i + 1
                del extrema[max(i, j)], extrema[min(i, j)]
    return np.array(extrema) if len(extrema) == count else None


def relaxed_inverse_sqrt(x, lo, hi, steps):
    """1/sqrt(x) on [lo, hi] by relaxed Newton steps (docs/math.md §12.2); each step's k is known in advance.

    a runs to 1, b to 1/sqrt(x / hi); the lower end e of a grows about 9 / 4 times a step while it is small.
    """
    a, b, e = x / hi, 1.0, lo / hi
    for _ in range(steps):
        k = _relaxation(e)
        b = b * (k**1.5 / 2.0) * (3.0 / k - a)
        a = a * (k**3 / 4.0) * (3.0 / k - a) ** 2
        e = k * e * (3.0 - k * e) ** 2 / 4.0
    return b / math.sqrt(hi)


def _relaxation(e):
    """The root in (1, 3) of (1 - e^3) k^2 + (6 e^2 - 6) k + (9 - 9 e) = 0; 1 in the limit e = 1."""
    if e >= 1.0 - 1e-9:
        return 1.0
    a, b, c = 1.0 - e**3, 6.0 * e * e - 6.0, 9.0 - 9.0 * e
    return (-b - math.sqrt(b * b - 4.0 * a * c)) / (2.0 * a)


def newton_inverse_sqrt(x, start, steps):
    """1/sqrt(x) by y <- y (3 - x y^2) / 2 from a start in (0, sqrt(3 / x))."""
    y = start
    for _ in range(steps):
        y = 0.5 * y * (3.0 - x * y * y)
    return y


def relaxed_reciprocal(x, lo, hi, steps):
    """1/x on [lo, hi] by relaxed Goldschmidt steps (docs/math.md §12.1)."""
    a, b, e = 1.0, x / hi, lo / hi
    for _ in range(steps):
        k = 2.0 / (e + 1.0)
        a, b, e = k * a * (2.0 - k * b), k * b * (2.0 - k * b), k * e * (2.0 - k * e)
    return a / hi
