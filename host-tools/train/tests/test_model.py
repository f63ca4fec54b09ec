import copy
import json

import numpy as np
import pytest
import torch

from polyformer_train import Losses, PolyLayerNorm, Ranges, by_newton, by_polynomial, by_relaxed_newton, data, minimax
from polyformer_train import tokenizer as wordpiece
from polyformer_train.distil import pad, variations
from polyformer_train.export import golden, save
from polyformer_train.model import Classifier, Form, Shape
from polyformer_train.recipe import evaluate
from polyformer_train.reference import Reference
from polyformer_train.training import Corpus, Schedule, fit, measure

TEXTS = ["where is my card", "my card is lost", "send money abroad please", "money sent to the wrong place", "card lost"] * 4
LABELS = [0, 0, 1, 1, 0] * 4


def test_every_norm_is_layer_norm_on_its_range():
    torch.manual_seed(0)
    x = torch.randn(50, 64, dtype=torch.float64) * torch.linspace(0.8, 2.0, 50, dtype=torch.float64)[:, None]
    expected = torch.nn.functional.layer_norm(x, (64,), eps=1e-5)
    roots = by_relaxed_newton(0.2, 8.0, 6), by_newton(0.2, 12), by_polynomial(minimax("inverse_sqrt", 0.2, 8.0, 31))
    for root in (None, *roots):
        assert torch.allclose(PolyLayerNorm(64, inverse_sqrt=root).eval()(x), expected, atol=1e-4)


def test_a_power_that_no_engine_evaluates_is_refused_before_training():
    with pytest.raises(ValueError, match="power 6: the engines evaluate power 4"):
        Form.polynomial(power=6)


def test_losses_punish_what_leaves_its_bounds_and_nothing_else():
    losses = Losses({"scores": (-1.0, 1.0), "variance": (0.5, 4.0)})
    losses.see("layers.0.scores", torch.tensor([[[[0.5, -0.9]]]]))
    losses.see("layers.0.norm.variance", torch.tensor([1.0, 3.9]))
    losses.see("layers.0.unknown", torch.tensor([1e9]))
    assert losses.take() == 0
    x = torch.tensor([[[[0.5, -3.0]]]], requires_grad=True)
    losses.see("layers.0.scores", x)
    losses.take().backward()
    assert x.grad[0, 0, 0].tolist()[0] == 0 and x.grad[0, 0, 0].tolist()[1] < 0
    losses.see("a.variance", torch.tensor([9.0, 1.0]), torch.tensor([0.0, 1.0]))
    assert losses.take() == 0, "padding is not punished"


def test_ranges_are_per_head_and_ignore_padding():
    ranges = Ranges()
    x = torch.arange(8.0).reshape(1, 2, 2, 2)
    ranges.see("s", x, torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2))
    ranges.see("s", -x[..., :1])
    assert ranges.seen["s"] == ([-2.0, -6.0], [2.0, 6.0]) and ranges.of("s") == (-6.0, 6.0)


def test_the_split_keeps_equal_texts_together_and_every_category_on_both_sides():
    texts = [f"text {i % 90}" if i % 2 else f"TEXT  {i % 90} " for i in range(180)]
    categories = ["ab"[i % 90 % 2] for i in range(180)]
    kept, held = data.split(texts, categories, 0.2, "seed")
    plain = lambda rows: {" ".join(texts[i].lower().split()) for i in rows}
    assert sorted(kept + held) == list(range(180)) and not plain(kept) & plain(held)
    assert len(plain(held)) == 18 and {categories[i] for i in held} == {"a", "b"}
    assert (kept, held) == data.split(texts, categories, 0.2, "seed") != data.split(texts, categories, 0.2, "other")


def test_variations_are_repeatable_and_crossings_have_no_label():
    a, labels = variations(TEXTS, LABELS, 3)
    assert (a, labels) == variations(TEXTS, LABELS, 3)
    assert len(a) == 4 * len(TEXTS) and labels.count(-1) == 2 * len(TEXTS) and all(a)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A tiny model through the whole recipe: both phases, both forms, export."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    pieces = wordpiece.train(TEXTS, 150)
    ids = wordpiece.encode(pieces, TEXTS, 16)
    shape = Shape(pieces.get_vocab_size(), 2, width=16, heads=2, feed_forward=32, max_tokens=16)
    schedule = Schedule(passes=30, batch=5, rate=5e-3, margin=1.5)
    models = {}
    for kind in ("rational", "exact"):
        torch.manual_seed(0)
        form = Form("exact") if kind == "exact" else Form.polynomial(4)
        models[kind] = Classifier(shape, form)
        fit(models[kind], Corpus(ids, torch.tensor(LABELS)), schedule, 0, log=lambda _: None)
        models[kind].eval()
    ranges = measure(models["rational"], ids).to_json()
    save(folder, models["rational"], models["exact"], pieces, ["card", "money"], ranges, {})
    golden(folder, TEXTS[:2])
    return folder, models, ids


def test_it_learns_and_both_forms_are_exported(exported):
    report = evaluate(exported[0], TEXTS, [["card", "money"][k] for k in LABELS])
    assert report["accuracy_poly"] == report["accuracy_exact"] == report["forms_agree"] == 1.0


def test_the_reference_computes_what_was_trained(exported):
    folder, models, ids = exported
    reference = Reference(folder)
    for kind, form in (("rational", "poly"), ("exact", "exact")):
        model = copy.deepcopy(models[kind]).double()
        with torch.no_grad():
            logits, _ = model(*pad(ids))
        for row, expected in zip(ids, logits.numpy()):
            assert np.abs(reference.run(row, form) - expected).max() < 2e-2  # f16 weights


def test_padding_rows_change_no_logit_of_the_reference(exported):
    reference = Reference(exported[0])
    for row in exported[2][:5]:
        for form in ("poly", "exact"):
            assert np.allclose(reference.run(row, form), reference.run(row, form, padded=16), atol=1e-12)


def test_golden_values_are_the_references(exported):
    folder = exported[0]
    reference, cases = Reference(folder), json.loads((folder / "golden.json").read_text())["cases"]
    for case in cases:
        assert reference.tokenize(case["text"]) == case["ids"]
        trace = []
        assert reference.run(case["ids"], trace=trace).tolist() == case["poly"]
        assert [s["name"] for s in case["steps"]] == [name for name, _ in trace]


def test_residual_rows_have_mean_zero_after_folding(exported):
    trace = []
    Reference(exported[0]).run(exported[2][0], trace=trace)
    for name, x in trace:
        if name.endswith("residual"):
            assert np.abs(x.mean(-1)).max() < 1e-3
