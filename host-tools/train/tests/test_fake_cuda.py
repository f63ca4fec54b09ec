"""All code for CUDA devices runs with fake CUDA tensors, which every machine has.

Without a driver, the autograd of PyTorch built for CUDA cannot run backward through fake CUDA tensors. This file therefore has
the forward tests. The backward tests, whole trainings and the whole recipe run in elsewhere.py, on a device of another name.
elsewhere.py runs in a process of its own, because PyTorch cannot fake CUDA after it knows that device.
"""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import polyformer_train as pt
from fake import allowed, fake, mixtures
from polyformer_train import distil, encoder, export, texts, whole
from polyformer_train.approx import minimax
from polyformer_train.measure import Excess
from polyformer_train.model import Classifier, Form, Shape
from polyformer_train.training import Corpus, Schedule, _loss, accuracy, measure
from test_devices import ALL

ROWS = [[2, 3, 4], [5, 6, 7, 8, 9]]


def test_devices_mix_where_those_of_cuda_do():
    with fake():
        assert allowed("cuda")
        for name, call in mixtures("cuda").items():
            with pytest.raises((RuntimeError, TypeError), match="device"):
                print(f"{name} was taken:", call())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("module, shapes", [m[1:] for m in ALL], ids=[m[0] for m in ALL])
def test_every_module_works_on_cuda(module, shapes, training):
    with fake():
        there = copy.deepcopy(module).train(training).to("cuda")
        assert there(*(torch.zeros(shape, device="cuda") for shape in shapes)).device.type == "cuda"


@pytest.mark.parametrize("training", [False, True])
def test_a_constant_polynomial_works_on_cuda(training):
    with fake():
        constant = pt.PolyActivation("gelu", -4.0, 4.0, 0).train(training).to("cuda")
        assert constant(torch.zeros(2, 3, device="cuda")).device.type == "cuda"


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("training", [False, True])
def test_the_encoder_of_a_conversion_and_its_losses_work_on_cuda(training, classes):
    root, other = minimax("inverse_sqrt", 0.1, 4.0, 7), {"reciprocal": minimax("reciprocal", 0.1, 4.0, 15), "activation": minimax("gelu", -4.0, 4.0, 7)}
    size = encoder.Size(2, 8, 2, 16, 1e-5, "gelu", "mean", classes)
    tables = {"word": (20, 8), "position": (10, 8), "gain": (8,), "shift": (8,)}
    with fake():
        make = lambda: encoder.Encoder(size, {k: torch.zeros(v, device="cpu") for k, v in tables.items()}).to("cuda")
        teacher, student = make().eval(), make()
        for layer in student.layers:
            encoder.install(layer, other | {"norm_attention": root, "norm_feed_forward": root}, 4, 0.01)
        batch = (range(2), *texts.pad(ROWS, "cuda"))
        targets, excess = whole.Targets(teacher, [batch]), Excess(whole.bounds(student, 1.2))
        outputs = student.train(training)(*batch[1:], excess, batch[2])
        loss, answer = targets.loss(0, batch[2], outputs)
        assert {x.device.type for x in (loss, answer, excess.take(), outputs[1])} == {"cuda"}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", pt.NAMES)
def test_whole_hugging_face_models_work_on_cuda(name, causal, masked):
    transformers = pytest.importorskip("transformers")
    pt.register()
    shape = dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    bert, llama = transformers.BertConfig(**shape), transformers.LlamaConfig(**shape, num_key_value_heads=2)
    with fake():
        model = transformers.LlamaModel(llama) if causal else transformers.BertModel(bert)
        model = model.to("cuda")
        model.set_attn_implementation(name)
        ids = torch.zeros(2, 7, dtype=torch.int64, device="cuda")
        mask = torch.ones(2, 7, dtype=torch.int64, device="cuda") if masked else None
        assert model(input_ids=ids, attention_mask=mask).last_hidden_state.device.type == "cuda"


@pytest.mark.parametrize("kind", ["exact", "rational", "poly"])
def test_the_model_its_losses_its_ranges_and_its_export_work_on_cuda(kind):
    with fake() as answers:
        shape, form = Shape(30, 3, width=16, heads=2, feed_forward=32, max_tokens=8), Form.polynomial(2)
        model = Classifier(shape, Form("exact") if kind == "exact" else form)
        if kind == "poly":
            model.to_polynomial(measure(model, ROWS), 1.3, 7, 3)
        model = model.to("cuda").train()
        ids, mask = (t.to("cuda") for t in distil.pad(ROWS))
        losses = pt.Losses(Schedule().bounds, Schedule().weights)
        logits, pooled = model(ids, mask, losses)
        head = torch.nn.Linear(16, 4).to("cuda")
        corpus = Corpus(ROWS, torch.tensor([0, 2]), torch.ones(2, 4), torch.ones(2, 3))
        loss = _loss(corpus, [0, 1], logits, pooled, head, Schedule(), "cuda") + losses.take()
        assert loss.device.type == "cuda" and answers.read == 1, "one number is read: whether a label is known"
        assert measure(model, ROWS, "cuda").of("logits") == (1.0, 1.0)
        assert 0.0 <= accuracy(model, ROWS, [0, 2], "cuda") <= 1.0
        assert all(t.device.type == "cpu" and t.dtype == torch.float16 for t in export.tensors(model).values())


def test_what_goes_back_and_whole_trainings_work_elsewhere():
    here = Path(__file__).parent
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(here / "elsewhere.py")]
    done = subprocess.run(run, cwd=here.parent, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
