"""A conversion from end to end on small random models, its checkpoints, its folder, and its refusals."""

import json

import numpy as np
import pytest
import torch

from polyformer_train import conversion, convert, converted, layerwise, score, source, texts
from polyformer_train.conversion import Conversion, Options
from polyformer_train.encoder import from_source
from polyformer_train.folder_reference import FolderReference, expected
from polyformer_train.polyfit import chosen, fitted, widened, widened_denominator, widened_variance
from polyformer_train.source import Refused

pytest.importorskip("transformers")
import tiny  # noqa: E402

QUICK = dict(max_tokens=16, minutes=1.0, layer_texts=150, layer_steps=20, batch=32, most_steps=20)


def corpus(count=200):
    return texts.Texts(tiny.texts(count))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of a converted encoder, its report, the original's folder)"""
    path = tmp_path_factory.mktemp("convert")
    model, _ = tiny.folder(path / "model")
    report = convert.convert(model, corpus(), path / "out", Options(**QUICK))
    return path / "out", report, model


def test_the_answer_is_the_originals(made):
    assert made[1]["held_out"]["cosine_mean"] > 0.999 and made[1]["held_out"]["share_cosine_0.95"] == 1.0
    assert made[1]["steps"] == 20 and made[1]["outside"] == {}


def test_the_folder_holds_what_the_engines_read(made):
    out, report, model = made
    names = {p.name for p in out.iterdir()}
    assert names == {"config.json", "model.safetensors", "exact.safetensors", "tokenizer.json", "report.json", "MODEL_CARD.md"}
    config, before = (json.loads((f / "config.json").read_text()) for f in (out, model))
    assert {k: config[k] for k in before} == before
    section = config["polyformer"]
    assert section["task"] == "embed" and section["pooling"] == "mean" and section["head"] is None
    assert section["attention"] == {"kind": "power_softmax", "form": "length_agnostic", "power": 4, "epsilon": 0.01}
    for i, layer in enumerate(section["layers"]):
        assert set(layer) == {"reciprocal", "norm_attention", "norm_feed_forward", "activation"}
        for name, place in convert.PLACES.items():
            measured = section["ranges"][f"layers.{i}.{place}"]
            assert layer[name]["lo"] <= measured["texts"][0] <= measured["texts"][1] <= layer[name]["hi"]
            assert measured["texts"][0] <= measured["quantiles"]["0.5"] <= measured["texts"][1] and measured["margin"] == 1.2
            assert np.isfinite(measured["padding"]).all()
    assert report == json.loads((out / "report.json").read_text()) | {"options": report["options"]}
    assert f"{report['held_out']['cosine_mean']:.4f}" in (out / "MODEL_CARD.md").read_text()


def test_numpy_computes_the_folder_as_the_encoder_does(made, tmp_path):
    out, _, model = made
    student = converted.load(out)
    expected(out, tiny.texts(5, seed=9), tmp_path / "expected.json")
    for case in json.loads((tmp_path / "expected.json").read_text())["cases"]:
        with torch.no_grad():
            ids, mask = texts.pad([case["ids"]])
            pooled = student(ids, mask)[1][0].numpy()
        assert np.abs(pooled - case["pooled"]).max() < 2e-5
        double = FolderReference(out, np.float64).run(case["ids"])[1]
        assert np.abs(double - case["pooled"]).max() < 1e-4


@pytest.mark.parametrize("family", ("bert", "distilbert", "roberta"))
def test_a_classifier_with_a_head_becomes_one_linear_map(tmp_path, family):
    model, _ = tiny.folder(tmp_path / "m", family, "classify", num_labels=3)
    labelled = texts.Texts(tiny.texts(200), [str(i % 3) for i in range(200)])
    report = convert.convert(model, labelled, tmp_path / "out", Options(task="classify", **QUICK))
    assert report["held_out"]["agreement"] >= 0.8 and 0.0 <= report["held_out"]["accuracy"] <= 1.0
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["polyformer"]["head"] == {"layers": ["classifier"], "activation": None}
    assert config["polyformer"]["exact_head_activation"] == ("relu" if family == "distilbert" else "tanh")
    with torch.no_grad():
        logits = converted.load(tmp_path / "out")(*texts.pad([[2, 5, 6, 3]]))[2][0].numpy()
    assert np.abs(FolderReference(tmp_path / "out").run([2, 5, 6, 3])[2] - logits).max() < 2e-5


class Stop(Exception):
    pass


@pytest.mark.parametrize("at", ("layer 1", "step 7"))
def test_a_conversion_that_stopped_goes_on_and_ends_as_if_it_had_not(tmp_path, at, monkeypatch):
    """The rate of the second pass follows the clock, so the clock stands still here."""
    from polyformer_train import whole

    monkeypatch.setattr(whole.time, "monotonic", lambda: 0.0)
    model, _ = tiny.folder(tmp_path / "m")

    def progress(share, what):
        if what.startswith(at):
            work = holder[-1]
            if at.startswith("step"):
                work.save()
            raise Stop

    holder = []
    straight = Conversion(model, corpus(), None, Options(**QUICK))
    straight.run()
    holder.append(Conversion(model, corpus(), None, Options(**QUICK), tmp_path / "ckpt", progress))
    with pytest.raises(Stop):
        holder[-1].run()
    again = Conversion(model, corpus(), None, Options(**QUICK), tmp_path / "ckpt")
    again.resume()
    assert again.done == (1 if at.startswith("layer") else 2)
    again.run()
    for name, tensor in straight.student.state_dict().items():
        assert torch.allclose(again.student.state_dict()[name], tensor, atol=1e-5), name
    other = Conversion(model, corpus(190), None, Options(**QUICK), tmp_path / "ckpt")
    with pytest.raises(Refused, match="made from another model, other texts or options"):
        other.resume()


def test_what_cannot_be_converted_is_one_line_and_leaves_nothing(tmp_path, capsys):
    model, _ = tiny.folder(tmp_path / "m")
    (tmp_path / "t.txt").write_text("\n".join(tiny.texts(50)))
    (tmp_path / "empty.txt").write_text("\n")
    capsys.readouterr()
    base = {"--model": str(model), "--texts": str(tmp_path / "t.txt"), "--task": "embed", "--attention": "power_softmax"}
    base["--max-tokens"] = "16"
    for change, said in (
        ({"--attention": "hardmax"}, "--attention hardmax: the converter fits power_softmax"),
        ({"--model": str(tmp_path / "none")}, "config.json is missing"),
        ({"--texts": str(tmp_path / "none.txt")}, "none.txt"),
        ({"--texts": str(tmp_path / "empty.txt")}, "no text"),
        ({"--power": "3"}, "--power 3"),
        ({"--max-tokens": "25"}, "--max-tokens 25: the model has max_position_embeddings 24"),
        ({"--minutes": "0"}, "--minutes 0"),
        ({"--task": "classify"}, "the tensor classifier"),
        ({"--resume": None}, "no checkpoint to resume"),
    ):
        given = [v for pair in (base | {"--out": str(tmp_path / "out")} | change).items() for v in pair if v is not None]
        assert convert.main(given) == 1
        error = capsys.readouterr().err.strip()
        assert said in error and "\n" not in error, error
        assert not (tmp_path / "out").exists()


def test_a_folder_with_a_model_or_a_checkpoint_is_not_written_over(made, tmp_path):
    out, _, model = made
    with pytest.raises(Refused, match="holds a config.json already"):
        convert.convert(model, corpus(), out, Options(**QUICK))
    (tmp_path / convert.CHECKPOINT).write_bytes(b"x")
    with pytest.raises(Refused, match="go on with --resume"):
        convert.convert(model, corpus(), tmp_path, Options(**QUICK))
    with pytest.raises(Refused, match="no checkpoint"):
        convert.convert(model, corpus(), tmp_path, Options(**QUICK), resume=True)


def test_a_form_that_left_its_ranges_is_not_written(tmp_path, monkeypatch):
    """A resumed conversion with more minutes can then mend it."""
    from polyformer_train.measure import Extent

    model, _ = tiny.folder(tmp_path / "m")
    seen = Extent()
    for value in (1.0, torch.nan, 2.0):
        seen.see("layers.0.output", torch.tensor([value]))
    honest = score.extents
    monkeypatch.setattr(score, "extents", lambda *a: (_with(honest(*a), seen), Extent()))
    with pytest.raises(Refused, match="layers.0.output is not finite on the texts"):
        convert.convert(model, corpus(), tmp_path / "out", Options(**QUICK))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {convert.CHECKPOINT}


def _with(taps, other):
    taps[0].seen |= other.seen
    return taps[0]


def test_labels_are_names_or_indices_of_classes():
    held = texts.Texts(["a", "b", "c"], ["no", "1", "yes"])
    assert conversion.label_indices(held, ["no", "yes"]) == [0, 1, 1]
    with pytest.raises(Refused, match="the label 'maybe' is neither a class"):
        conversion.label_indices(texts.Texts(["a"], ["maybe"]), ["no", "yes"])


def test_files_of_texts(tmp_path):
    (tmp_path / "a.txt").write_text("one\ttext\n\n two \n")
    assert texts.read(tmp_path / "a.txt").texts == ["one\ttext", "two"]
    (tmp_path / "a.tsv").write_text("one\t1\ntwo\t0\n")
    assert texts.read(tmp_path / "a.tsv") == texts.Texts(["one", "two"], ["1", "0"])
    (tmp_path / "a.csv").write_text('text,category\n"one, two",x\n')
    assert texts.read(tmp_path / "a.csv") == texts.Texts(["one, two"], ["x"])
    (tmp_path / "b.csv").write_text("sentence\nx\n")
    few = texts.limited(texts.Texts(tiny.texts(50), [str(i) for i in range(50)]), 7)
    assert few.texts == [tiny.texts(50)[int(i)] for i in few.labels] and len(few.texts) == 7
    with pytest.raises(Refused, match="one must be called text"):
        texts.read(tmp_path / "b.csv")


def test_a_fit_is_better_where_the_values_are():
    values = np.random.default_rng(1).normal(-0.6, 0.5, 20_000)
    p, error = fitted("gelu", -9.0, 5.0, 7, values)
    uniform, _ = fitted("gelu", -9.0, 5.0, 7, np.linspace(-9.0, 5.0, 20_000))
    f = lambda x: 0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))
    rms = lambda q: np.sqrt(np.mean((q(values) - f(values)) ** 2))
    assert rms(p) < 0.7 * rms(uniform) and abs(error - rms(p)) < 1e-3


def test_the_degree_is_the_least_that_is_exact_enough():
    values = np.linspace(0.3, 0.6, 1000)
    assert chosen("inverse_sqrt", 0.25, 0.7, values, 0.01)[0].degree == 3
    assert chosen("inverse_sqrt", 0.25, 0.7, values, 1e-5)[0].degree == 7
    assert chosen("inverse_sqrt", 0.02, 9.0, np.linspace(0.1, 8.0, 1000), 1e-9, 7)[0].degree == 7
    assert widened(-1.0, 3.0, 1.5) == (-2.0, 4.0) and widened_variance(1.0, 2.0, 2.0, 0.3) == (0.3, 8.0)
    assert widened_denominator(2.0, 2.0, 0.01, 4) == (0.01, 32.0)


def test_an_outlier_is_shortened_and_keeps_its_direction(tmp_path):
    """A token whose sums before a norm are far longer than the others' has the same output, and the range of 1/sqrt is narrow."""
    torch.manual_seed(5)
    held = source.read(tiny.folder(tmp_path / "m", num_hidden_layers=1)[0], "embed")
    teacher = from_source(held)
    layer, ids = teacher.layers[0], texts.ids_of(texts.tokenizer_of(held.tokenizer, 16), tiny.texts(300))
    with torch.no_grad():  # one unit that fires for [CLS] alone and adds a long vector
        cls = teacher.embed(torch.tensor([[2]]), torch.ones(1, 1))[0, 0]
        layer.up.weight[0], layer.up.bias[0] = 3.0 * cls / cls.norm(), -0.6 * 3.0 * cls.norm()
        layer.down.weight[:, 0] = 10.0 * torch.randn(32)
    rows = [(i, m) for _, i, m in texts.batches(ids, 32, "cpu")]
    options = Options(**QUICK)
    student = from_source(held)
    student.load_state_dict(teacher.state_dict())
    before, _ = score.extents(teacher, [(None, *r) for r in rows])
    result = layerwise.Pass(student, teacher, rows, options).layer(0, lambda _: None)
    p = student.layers[0].norm_feed_forward.root.polynomial
    lo, hi = before.of("layers.0.norm_feed_forward.variance")
    assert hi / lo > 100.0 > 3.0 * p.hi / p.lo and result["output"] < 0.05
