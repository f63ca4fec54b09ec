"""The committed demo model against its own golden values and measured ranges."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from polyformer_train.approx import minimax
from polyformer_train.reference import Reference

FOLDER = Path(__file__).parents[2] / "models" / "banking77"


@pytest.fixture(scope="module")
def model():
    return Reference(FOLDER)


@pytest.fixture(scope="module")
def golden():
    return json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))


def test_golden_values_belong_to_these_weights_and_are_reproduced(model, golden):
    assert golden["model_sha256"] == hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
    for case in golden["cases"]:
        assert model.tokenize(case["text"]) == case["ids"]
        trace = []
        assert np.allclose(model.run(case["ids"], "poly", trace=trace), case["poly"], rtol=0, atol=1e-9)
        assert np.allclose(model.run(case["ids"], "exact"), case["exact"], rtol=0, atol=1e-9)
        for step, (name, value) in zip(case["steps"], trace, strict=True):
            assert step["name"] == name and step["shape"] == list(value.shape)
            assert np.isclose(step["squares"], (value**2).sum(), rtol=1e-9)


def test_a_full_row_of_padding_changes_nothing(model, golden):
    for case in golden["cases"]:
        assert np.allclose(model.run(case["ids"], padded=64), case["poly"], rtol=0, atol=1e-9)


def test_every_polynomial_covers_what_was_measured_and_is_the_one_its_name_says(model):
    measured = model.config["ranges"]
    for i, layer in enumerate(model.config["polynomials"]):
        for place, p in layer.items():
            if p is None:
                continue
            again = minimax(p["function"], p["lo"], p["hi"], p["degree"])
            assert np.allclose(again.coeffs, p["coeffs"], rtol=0, atol=1e-6 * np.abs(p["coeffs"]).max())
            seen = {"reciprocal": "attention.denominator"}.get(place, f"{place}.variance")
            for where in ("training", "held_out") if place != "activation" else ():
                r = measured[where][f"layers.{i}.{seen}"]
                assert p["lo"] <= min(r["lo"]) and max(r["hi"]) <= p["hi"]


def test_the_files_are_json_for_every_reader():
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    for name in ("config.json", "golden.json", "tokenizer.json"):
        json.loads((FOLDER / name).read_text(encoding="utf-8"), parse_constant=refuse)


def test_both_files_are_small_and_the_forms_are_close(model):
    assert sum((FOLDER / f).stat().st_size for f in model.config["files"].values()) <= 4e6
    held = model.config["held_out"]
    assert held["accuracy_poly"] >= 0.85 and held["accuracy_exact"] - held["accuracy_poly"] <= 0.015
