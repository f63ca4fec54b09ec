"""No tensor is created on an unnamed device. Every module computes on the device of its inputs. A whole training, measurement
and export runs on the processor while the default device holds no numbers."""

import copy

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import polyformer_train as pt
from polyformer_train import tokenizer as wordpiece
from polyformer_train.distil import pad, probe
from polyformer_train.export import save, tensors
from polyformer_train.model import Classifier, Form, Shape
from polyformer_train.recipe import evaluate
from polyformer_train.training import BOUNDS, WEIGHTS, Corpus, Schedule, _loss, accuracy, fit, measure

DEVICES = [
    "meta",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")),
]
TEXTS = ["where is my card", "my card is lost", "send money abroad please", "money sent to the wrong place", "card lost"] * 4
LABELS = [0, 0, 1, 1, 0] * 4


class Only(TorchDispatchMode):
    """Fails at the first operation that makes a tensor on another device."""

    def __init__(self, device):
        super().__init__()
        self.device, self.seen = torch.device(device).type, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, torch.Tensor):
                self.seen += 1
                assert t.device.type == self.device, f"{operation} made a tensor on {t.device}, not on {self.device}"
        return out


def numbers(*shape, device="cpu"):
    return torch.sin(torch.arange(np.prod(shape), device="cpu", dtype=torch.float32) * 0.7 + 1.0).reshape(shape).to(device)


def modules():
    """Name, module and the shapes of its inputs."""
    scores, vectors = (2, 3, 5, 5), (2, 3, 5, 8)
    for form in pt.PowerSoftmax.FORMS:
        for power in (2, 4, 6):
            yield f"{form} of power {power}", pt.PowerSoftmax(power, 1e-2, form), [scores, (5,)]
    yield "scaled_sigma", pt.ScaledSigma(), [scores, (5,)]
    yield "rotary", pt.Rotary(), [vectors]
    yield "gaussian_kernel", pt.GaussianKernel(), [vectors, vectors, (5,)]
    roots = {
        "exact": None,
        "newton": pt.by_newton(0.5, 4),
        "relaxed_newton": pt.by_relaxed_newton(0.1, 4.0, 4),
        "polynomial": pt.by_polynomial(pt.minimax("inverse_sqrt", 0.1, 4.0, 7)),
    }
    for name, root in roots.items():
        yield f"norm, {name}", pt.PolyLayerNorm(8, 1e-2, affine=True, inverse_sqrt=root), [vectors]
    for degree in (1, 2, 7, 12):  # Horner's rule and Clenshaw's
        yield f"activation of degree {degree}", pt.PolyActivation("gelu", -4.0, 4.0, degree), [vectors]


ALL = list(modules())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("module, shapes", [m[1:] for m in ALL], ids=[m[0] for m in ALL])
def test_every_module_works_where_its_inputs_are(module, shapes, training, device):
    module = copy.deepcopy(module).train(training)
    inputs = [numbers(*shape) for shape in shapes]
    expected = module(*inputs)
    module, there = module.to(device), [x.to(device).requires_grad_() for x in inputs]
    with Only(device) as only:
        out = module(*there)
        out.sum().backward()
    assert only.seen and out.shape == expected.shape and out.device.type == device
    assert all(x.grad is not None and x.grad.device.type == device for x in there if x.grad_fn is None and x.requires_grad)
    if device != "meta":
        assert torch.allclose(out.cpu(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["exact", "rational", "poly"])
def test_the_model_its_losses_and_its_step_stay_on_the_device(kind, device):
    shape = Shape(30, 3, width=16, heads=2, feed_forward=32, max_tokens=8)
    model = Classifier(shape, Form("exact") if kind == "exact" else Form.polynomial(2))
    ids, mask = pad([[2, 3, 4], [5, 6, 7, 8, 9]])
    if kind == "poly":
        ranges = measure(model, [[2, 3, 4], [5, 6, 7, 8, 9]])
        model.to_polynomial(ranges, 1.3, 7, 3)
    model = model.to(device).train()
    losses = pt.Losses(BOUNDS, WEIGHTS)
    head = torch.nn.Linear(16, 4).to(device)
    labels, embeddings, soft = torch.tensor([0, 2]).to(device), numbers(2, 4, device=device), numbers(2, 3, device=device)
    ids, mask = ids.to(device), mask.to(device)
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()])
    with Only(device):
        logits, pooled = model(ids, mask, losses)
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.05)
        loss = loss - torch.nn.functional.cosine_similarity(head(pooled), embeddings, dim=-1).mean()
        loss = loss + losses.take() + logits.log_softmax(-1).mul(soft).mean()
        loss.backward()
    assert loss.device.type == device and logits.shape == (2, 3)
    assert all(p.grad.device.type == device for p in model.parameters() if p.grad is not None)
    if device != "meta":
        optimiser.step()
        corpus = Corpus([[2, 3, 4], [5, 6, 7, 8, 9]], labels.cpu(), embeddings.cpu(), soft.cpu())
        assert _loss(corpus, [0, 1], logits, pooled, head, Schedule(), device).device.type == device
        exported = tensors(model)
        assert all(t.device.type == "cpu" and t.dtype == torch.float16 for t in exported.values())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", pt.NAMES)
def test_the_hugging_face_implementations_stay_on_the_device(name, device):
    transformers = pytest.importorskip("transformers")
    pt.register()
    from transformers import AttentionInterface

    module = torch.nn.Module()
    module.config = transformers.BertConfig()
    attend = AttentionInterface()[name]
    query, key, value = numbers(2, 4, 5, 8, device=device), numbers(2, 2, 5, 8, device=device), numbers(2, 2, 5, 8, device=device)
    mask = torch.zeros(2, 1, 5, 5, device=device)
    with Only(device):
        out, weights = attend(module, query, key, value, mask)
    assert out.shape == (2, 5, 4, 8) and weights.shape == (2, 4, 5, 5) and out.device.type == device


@pytest.fixture
def trap():
    """A tensor without a named device is made on a device that holds no numbers, and is useless."""
    with torch.device("meta"):
        yield


def test_the_trap_catches_what_is_made_on_the_default_device(trap):
    with pytest.raises(Exception):
        (torch.ones(3, device="cpu") + torch.zeros(3)).tolist()


def start(kind, shape):
    with torch.device("cpu"):
        torch.manual_seed(0)
        return Classifier(shape, Form("exact") if kind == "exact" else Form.polynomial(2))


@pytest.mark.parametrize("device", ["cpu", DEVICES[1]])
def test_training_measuring_and_exporting_name_their_device(trap, device, tmp_path):
    pieces = wordpiece.train(TEXTS, 150)
    ids = wordpiece.encode(pieces, TEXTS, 16)
    shape = Shape(pieces.get_vocab_size(), 2, width=16, heads=2, feed_forward=32, max_tokens=16)
    labels, embeddings = torch.tensor(LABELS, device="cpu"), numbers(len(TEXTS), 4)
    soft = probe(embeddings, labels, 2)(embeddings)
    models = {}
    for kind in ("poly", "exact"):
        models[kind] = start(kind, shape)
        schedule = Schedule(passes=30, batch=5, rate=5e-3, margin=1.5)
        fit(models[kind], Corpus(ids, labels, embeddings, soft), schedule, 0, device, log=lambda _: None)
        assert accuracy(models[kind], ids, LABELS, device) > 0.8
    ranges = measure(models["poly"], ids, device).to_json()
    save(tmp_path, models["poly"].eval(), models["exact"].eval(), pieces, ["card", "money"], ranges, {})
    assert evaluate(tmp_path, TEXTS, [["card", "money"][k] for k in LABELS])["accuracy_poly"] > 0.8
