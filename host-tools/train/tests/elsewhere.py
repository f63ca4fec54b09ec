"""The tests that fake CUDA tensors cannot run: gradients, trainings and the recipe, on a device of another name."""

import copy

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch.utils import backend_registration

import polyformer_train as pt
from fake import allowed, fake, mixtures
from polyformer_train import distil, export, recipe
from polyformer_train import tokenizer as wordpiece
from polyformer_train.model import Classifier, Form, Shape
from polyformer_train.training import Corpus, Schedule, fit
from test_devices import ALL, LABELS, TEXTS

if torch.cuda.is_available():
    DEVICE = "cuda"
elif hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
    DEVICE = "elsewhere"
    backend_registration._setup_privateuseone_for_python_backend(rename=DEVICE)
else:
    pytest.skip("this PyTorch has no devices that are made in Python", allow_module_level=True)


def test_devices_mix_where_those_of_cuda_do():
    with fake():
        assert allowed(DEVICE)
        for name, call in mixtures(DEVICE).items():
            with pytest.raises((RuntimeError, TypeError), match="device"):
                print(f"{name} was taken:", call())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("module, shapes", [m[1:] for m in ALL], ids=[m[0] for m in ALL])
def test_gradients_of_every_module_are_where_its_inputs_are(module, shapes, training):
    with fake():
        there = copy.deepcopy(module).train(training).to(DEVICE)
        inputs = [torch.zeros(shape, device=DEVICE, requires_grad=True) for shape in shapes]
        there(*inputs).sum().backward()
        assert all(x.grad is None or x.grad.device.type == DEVICE for x in inputs) and inputs[0].grad is not None


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", pt.NAMES)
def test_whole_hugging_face_models_learn_there(name, causal):
    transformers = pytest.importorskip("transformers")
    pt.register()
    shape = dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    bert, llama = transformers.BertConfig(**shape), transformers.LlamaConfig(**shape, num_key_value_heads=2, use_cache=False)
    with fake():
        model = transformers.LlamaModel(llama) if causal else transformers.BertModel(bert)
        model = model.to(DEVICE).train()
        model.set_attn_implementation(name)
        ids, mask = (torch.ones(2, 7, dtype=torch.int64, device=DEVICE) for _ in range(2))
        model(input_ids=ids, attention_mask=mask).last_hidden_state.sum().backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        assert len(grads) > 10 and all(g.device.type == DEVICE for g in grads)


@pytest.mark.parametrize("kind", ["exact", "rational"])
def test_a_training_works_there(kind):
    with fake():
        shape = Shape(30, 3, width=16, heads=2, feed_forward=32, max_tokens=8)
        model = Classifier(shape, Form("exact") if kind == "exact" else Form.polynomial(2))
        corpus = Corpus([[2, 3, 4], [5, 6]] * 4, torch.tensor([0, 2] * 4), torch.ones(8, 4), torch.ones(8, 3))
        _, ranges = fit(model, corpus, Schedule(passes=4, batch=2), 0, DEVICE, log=lambda _: None)
        assert (ranges is None, model.form.kind) == ((True, "exact") if kind == "exact" else (False, "poly"))
        assert all(p.device.type == DEVICE and p.grad.device.type == DEVICE for p in model.parameters())


class SmallTeacher(distil.Teacher):
    """The teacher's code around a small model."""

    def __init__(self, device):
        import transformers

        shape = dict(vocab_size=200, hidden_size=Shape.width, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64)
        self.model = transformers.BertModel(transformers.BertConfig(**shape)).eval().to(device)
        self.tokenizer, self.device = wordpiece.train(TEXTS, 150), device


def keep(tensors, path, metadata):
    """Files take tensors of the processor; these have no numbers, so zeros are written."""
    assert all(t.device.type == "cpu" for t in tensors.values())
    safetensors.numpy.save_file({k: np.zeros(t.shape, np.float16) for k, t in tensors.items()}, path, metadata)


def test_the_whole_recipe_works_there(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    kept = {}
    monkeypatch.setattr(recipe, "Teacher", SmallTeacher)
    monkeypatch.setattr(export, "save_file", keep)
    monkeypatch.setattr(torch, "save", lambda tensors, path: kept.update(tensors))
    data = TEXTS, [["card", "money"][k] for k in LABELS]
    settings = recipe.Recipe("fake", vocabulary=150, schedule=Schedule(passes=2, batch=8), golden=TEXTS[:1])
    with fake():
        report = recipe.run(settings, data, data, tmp_path, tmp_path, DEVICE, log=lambda _: None)
    assert report["n"] == len(TEXTS) and (tmp_path / "golden.json").exists()
    assert len(kept) == 3 and all(t.device.type == "cpu" for t in kept.values()), "a machine without the device can read it"
