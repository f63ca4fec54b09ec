"""Tensors with a device and without numbers. Operations that mix devices fail as on CUDA, on a machine without CUDA.

PyTorch's FakeTensorMode keeps shapes, types and devices. Code that needs a number (a printed loss, ranges) gets 1.
"""

from contextlib import contextmanager
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode


class Answers(TorchDispatchMode):
    """Answers for fake tensors: every number is 1, every mask keeps all. `read` counts numbers that are read from a device."""

    def __init__(self):
        super().__init__()
        self.read = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation == torch.ops.aten._local_scalar_dense.default:
            self.read += args[0].device.type != "cpu"
            return {torch.bool: True}.get(args[0].dtype, 1.0 if args[0].is_floating_point() else 1)
        if operation in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default):
            here = args[0].device
            for index in args[1]:  # CUDA takes indices of its own and of the processor, the processor its own
                if index is not None and index.device.type not in ("cpu", here.type):
                    raise RuntimeError(f"an index on the device {index.device} into a tensor on {here}")
            whole = [i if i is None or i.dtype != torch.bool else torch.arange(len(i), device=i.device) for i in args[1]]
            args = (args[0], whole, *args[2:])
        return operation(*args, **(kwargs or {}))


def _move(module, move, recurse=True):
    """Module._apply with new parameters: PyTorch puts moved ones into the old, which it often cannot with fake ones."""
    for child in module.children() if recurse else ():
        _move(child, move)
    for kept, made in ((module._parameters, torch.nn.Parameter), (module._buffers, lambda moved, _: moved)):
        for name, old in kept.items():
            if old is not None:
                with torch.no_grad():
                    kept[name] = made(move(old), old.requires_grad)
    return module


@contextmanager
def fake():
    """Tensors made in here are fake; real ones that are used are those of the processor."""
    modes = FakeTensorMode(allow_non_fake_inputs=True), Answers()
    with mock.patch.object(torch.nn.Module, "_apply", _move), modes[0], modes[1] as answers:
        yield answers


def mixtures(device):
    """Calls that CUDA refuses, by name."""
    x = torch.ones(3, 4, device=device)
    there = {"dtype": torch.int64, "device": device}
    return {
        "sum": lambda: x + torch.ones(4),
        "product": lambda: x @ torch.ones(4, 2),
        "choice": lambda: torch.where(torch.ones(4) > 0, x, x),
        "embedding": lambda: torch.nn.functional.embedding(torch.tensor([1]), x),
        "loss": lambda: torch.nn.functional.cross_entropy(x, torch.tensor([0, 1, 2])),
        "index": lambda: torch.ones(3)[torch.zeros(3, **there)],
        "store": lambda: torch.ones(3, 4).__setitem__([0], x[:1]),
    }


def allowed(device):
    """Calls that mix devices and that CUDA takes; True where each gives what it should."""
    x = torch.ones(3, 4, device=device)
    number, rows, kept = x * torch.tensor(2.0), x[torch.tensor([0, 2])], x[x[:, 0] > 0]
    return (number.device.type, rows.shape, kept.shape) == (torch.device(device).type, (2, 4), (3, 4))
