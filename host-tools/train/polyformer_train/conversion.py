"""A conversion from a Hugging Face folder to a folder of a polynomial model: read, convert layer by layer, train whole, measure, write.

A checkpoint is written after every layer and every few minutes of training, whole or not at all. A resumed conversion must
have the same model, texts and options.
"""

import copy
import hashlib
import json
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from . import encoder, layerwise, score, source, texts
from .approx import Polynomial
from .output import replacing
from .source import Refused
from .whole import Targets, Whole, polynomials

ATTENTIONS = ("power_softmax",)


@dataclass
class Options:
    """What a conversion can be told. `accuracy`: of each function, the error to reach over the values and the highest degree."""

    task: str = "embed"
    attention: str = "power_softmax"
    power: int = 4
    epsilon: float = 0.01
    max_tokens: int = 64
    minutes: float = 30.0
    margin: float = 1.2
    outlier: float = 4.0
    held_out: float = 0.1
    seed: int = 1
    device: str = "cpu"
    batch: int = 48
    layer_texts: int = 1500
    layer_steps: int = 120
    layer_rate: float = 1e-3
    rate: float = 1e-4
    penalty: float = 2.0
    most_steps: int = 1_000_000
    accuracy: dict = field(
        default_factory=lambda: {"reciprocal": (0.02, 15), "activation": (0.01, 15), "inverse_sqrt": (0.01, 7)}
    )

    def check(self):
        if self.attention not in ATTENTIONS:
            raise Refused(f"--attention {self.attention}: the converter fits {', '.join(ATTENTIONS)}")
        if self.task not in ("embed", "classify"):
            raise Refused(f"--task {self.task}: the converter knows embed and classify")
        if self.power not in (2, 4, 8, 16):
            raise Refused(f"--power {self.power}: one of 2, 4, 8, 16 is needed")
        if not self.minutes > 0.0:
            raise Refused(f"--minutes {self.minutes}: a positive number of minutes is needed")
        if self.max_tokens < 3:
            raise Refused(f"--max-tokens {self.max_tokens}: at least 3 are needed")
        if self.device != "cpu" and not torch.cuda.is_available():
            raise Refused(f"--device {self.device}: this PyTorch sees no CUDA device; use --device cpu")
        return self


class Conversion:
    """The state of one conversion."""

    def __init__(self, model, corpus, held, options, checkpoint=None, progress=None, log=None):
        """corpus, held: `texts.Texts`, `held` None for a share of the corpus. `checkpoint`: the path of the checkpoint's file."""
        self.options, self.checkpoint = options.check(), checkpoint
        self.progress, self.log = progress or (lambda *_: None), log or (lambda *_: None)
        self.source = source.read(model, options.task)
        rows = self.source.config["max_position_embeddings"]
        if options.max_tokens > rows:
            raise Refused(f"--max-tokens {options.max_tokens}: the model has max_position_embeddings {rows}")
        self.kept, self.held = (corpus, held) if held is not None else texts.held_out(corpus, options.held_out)
        self.labels = label_indices(self.held, self.source.labels)
        self.tokenizer = texts.tokenizer_of(self.source.tokenizer, options.max_tokens)
        self.ids = texts.ids_of(self.tokenizer, self.kept.texts)
        self.held_ids = texts.ids_of(self.tokenizer, self.held.texts)
        highest = max(max(row) for row in (*self.ids, *self.held_ids))
        if highest >= self.source.config["vocab_size"]:
            raise Refused(f"the tokenizer gives the id {highest}, and vocab_size is {self.source.config['vocab_size']}")
        self.teacher = encoder.from_source(self.source).to(options.device)
        self.student = copy.deepcopy(self.teacher)
        if self.student.head is not None:  # one linear map takes the place of the head
            self.student.head, self.student.dense = None, None
            linear = self.student.classifier
            linear.weight.data = self.teacher.classifier.weight.data @ self.teacher.dense.weight.data
        self.done, self.measured, self.whole, self.seconds = 0, [], None, {"layers": 0.0}
        self.theirs, self.after_layers = None, None

    def run(self):
        """Both passes. Returns nothing; `student` is then the polynomial form, in evaluation mode."""
        torch.manual_seed(self.options.seed)
        self.layers()
        self.train()
        self.student.eval()

    def layers(self):
        o, started = self.options, time.monotonic() - self.seconds["layers"]
        if self.done == len(self.student.layers):
            return
        sample = random.Random(o.seed).sample(self.ids, min(o.layer_texts, len(self.ids)))
        some = texts.batches(sample, o.batch, o.device)
        run = layerwise.Pass(self.student, self.teacher, [(i, m) for _, i, m in some], o)
        run.skip(self.done)
        for i in range(self.done, len(self.student.layers)):
            self.progress(i / len(self.student.layers), f"layer {i}")
            self.measured.append(run.layer(i, self.log))
            self.done = i + 1
            if self.done == len(self.student.layers) and self.student.classifier is not None:
                run.refit_classifier()
            self.seconds["layers"] = time.monotonic() - started
            self.save()
        self.progress(1.0, "layers")

    def train(self):
        o = self.options
        left = 60.0 * o.minutes - self.seconds["layers"]
        if self.whole is None:
            self.whole = Whole(self.student, o)
            self.after_layers = self.quality()
            self.log(f"after the layers: {json.dumps(self.after_layers)}")
        batches = texts.batches(self.ids, o.batch, o.device, o.seed)
        targets = Targets(self.teacher, batches) if left > 0.0 else None
        self.whole.run(batches, targets, left, self.save, self.progress)
        self.save()

    def quality(self):
        """The student on the held-out texts, against the original."""
        held, count = texts.batches(self.held_ids, self.options.batch, self.options.device), len(self.held_ids)
        if self.theirs is None:
            self.theirs = score.outputs(self.teacher, held, count)
        return score.compare(score.outputs(self.student, held, count), self.theirs, self.labels)

    def fingerprint(self):
        """Of everything that a resumed conversion must share with the one that stopped; `minutes` may differ."""
        digest = hashlib.sha256()
        options = {k: v for k, v in asdict(self.options).items() if k not in ("minutes", "device")}
        digest.update(json.dumps([options, self.kept.texts, self.held.texts], sort_keys=True).encode())
        for name, tensor in sorted(self.source.tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.double().sum().numpy().tobytes())
        return digest.hexdigest()

    def save(self):
        if self.checkpoint is None:
            return
        state = {
            "fingerprint": self.fingerprint(),
            "done": self.done,
            "measured": self.measured,
            "seconds": self.seconds,
            "student": self.student.state_dict(),
            "polynomials": [{k: p.to_json() for k, p in polynomials(layer).items()} for layer in self.student.layers[: self.done]],
            "whole": None if self.whole is None else self.whole.state() | {"after_layers": self.after_layers},
        }
        with replacing(self.checkpoint) as part:
            torch.save(state, part)

    def resume(self):
        """Goes on from the checkpoint."""
        try:
            state = torch.load(self.checkpoint, map_location=self.options.device, weights_only=True)
        except FileNotFoundError:
            raise Refused(f"{self.checkpoint}: no checkpoint to resume; start without --resume") from None
        except Exception as e:
            raise Refused(f"{self.checkpoint}: no checkpoint ({str(e).splitlines()[0]}); remove the file, start without --resume") from None
        if state["fingerprint"] != self.fingerprint():
            raise Refused(f"{self.checkpoint}: made from another model, other texts or options; start without --resume")
        self.done, self.measured, self.seconds = state["done"], state["measured"], state["seconds"]
        for layer, data in zip(self.student.layers, state["polynomials"]):
            encoder.install(layer, {k: Polynomial.from_json(v) for k, v in data.items()}, self.options.power, self.options.epsilon)
        self.student.load_state_dict(state["student"])
        if state["whole"] is not None:
            self.after_layers = state["whole"].pop("after_layers")
            self.whole = Whole(self.student, self.options)
            self.whole.load(state["whole"])


def label_indices(held, names):
    """Labels of texts as class indices, or None. A label is a class's name or its index."""
    if held.labels is None or not names:
        return None
    out = []
    for label in held.labels:
        if label in names:
            out.append(names.index(label))
        elif label.isdigit() and int(label) < len(names):
            out.append(int(label))
        else:
            raise Refused(f"the label {label!r} is neither a class ({', '.join(names[:5])}) nor an index below {len(names)}")
    return out
