"""One recipe for every text classification task: split, tokenizer, teacher, two trainings (polynomial form and reference
model), measurement on held-out texts in f64, and export with a model card's numbers."""

import json
import platform
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from . import tokenizer as wordpiece
from .distil import Teacher, probe, variations
from .export import golden, save
from .model import Classifier, Form, Shape
from .output import write_json
from .ranges import Ranges
from .reference import Reference
from .training import Corpus, Schedule, fit, measure


@dataclass
class Recipe:
    name: str
    seed: int = 20
    vocabulary: int = 3000
    edits: int = 2
    crossings: int = 1
    activation_degree: int = 2
    activation_range: float = 4.0
    epsilon: float = 0.03
    norm_epsilon: float = 1e-2
    dropout: float = 0.1
    schedule: Schedule = field(default_factory=Schedule)
    golden: tuple = ()


def run(recipe, train, held, out, cache, device="cpu", log=print):
    """train, held: (texts, categories). Trains both forms, exports to `out`, returns the report that is in config.json."""
    torch.set_num_threads(1)
    clock, wall = time.process_time(), time.time()
    labels = sorted(set(train[1]))
    pieces = wordpiece.train(train[0], recipe.vocabulary)
    corpus, vectors = _corpus(recipe, train, labels, pieces, cache, device, log)
    taught = time.process_time() - clock
    shape = Shape(pieces.get_vocab_size(), len(labels))
    models, seconds, at_switch = {}, {}, None
    for kind in ("poly", "exact"):
        torch.manual_seed(recipe.seed)
        form = Form("exact")
        if kind == "poly":
            form = Form.polynomial(
                recipe.activation_degree,
                recipe.activation_range,
                epsilon=recipe.epsilon,
                norm_epsilon=recipe.norm_epsilon,
            )
        model = Classifier(shape, form, recipe.dropout)
        model.token.weight.data.copy_(vectors)
        log(f"training the {kind} form")
        seconds[kind], ranges = fit(model, corpus, recipe.schedule, recipe.seed, device, log)
        at_switch = ranges or at_switch
        models[kind] = model.cpu().eval()
    ids = {"training": corpus.ids, "held_out": wordpiece.encode(pieces, held[0], shape.max_tokens)}
    ids["random_tokens"] = _random_texts(shape, recipe.seed)
    ranges = {where: measure(models["poly"], rows).to_json() for where, rows in ids.items()}
    ranges = {"margin": recipe.schedule.margin, "polynomials_fixed_on": at_switch.to_json()} | ranges
    extra = {
        "name": recipe.name,
        "recipe": asdict(recipe) | {"train": len(train[0]), "held_out": len(held[0]), "corpus": len(corpus.ids)},
        "processor_seconds": {"teacher": round(taught), **{k: round(v) for k, v in seconds.items()}},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }
    save(out, models["poly"], models["exact"], pieces, labels, ranges, extra)
    report = evaluate(out, *held)
    path = Path(out) / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"held_out": report}
    write_json(path, config)
    if recipe.golden:
        golden(out, recipe.golden)
    log(f"{report} processor {time.process_time() - clock:.0f} s, wall {time.time() - wall:.0f} s")
    return report


def evaluate(folder, texts, categories):
    """Accuracy of both forms from the exported files, in f64, and how often the two agree."""
    model = Reference(folder)
    labels = model.config["labels"]
    answers = {form: [] for form in model.weights}
    for text in texts:
        ids = model.tokenize(text)
        for form, found in answers.items():
            found.append(labels[int(np.argmax(model.run(ids, form)))])
    report = {"n": len(texts)}
    for form, found in answers.items():
        report[f"accuracy_{form}"] = float(np.mean([a == b for a, b in zip(found, categories)]))
    if len(answers) == 2:
        report["forms_agree"] = float(np.mean([a == b for a, b in zip(*answers.values())]))
    return report


def _corpus(recipe, train, labels, pieces, cache, device, log):
    """The training texts, their variations and the teacher's outputs, cached in a file because they take minutes."""
    path = Path(cache) / f"{recipe.name}-teacher.pt"
    texts, known = train[0], [labels.index(c) for c in train[1]]
    more, more_known = variations(texts, known, recipe.seed, recipe.edits, recipe.crossings)
    if path.exists():
        kept = torch.load(path)
    else:
        log("teacher: embeddings of the corpus")
        teacher = Teacher(device)
        embeddings = teacher.embed(texts + more)
        logits = probe(embeddings[: len(texts)], torch.tensor(known, device="cpu"), len(labels))(embeddings)
        words = [pieces.id_to_token(i) for i in range(pieces.get_vocab_size())]
        kept = {"embeddings": embeddings, "logits": logits, "vectors": teacher.word_vectors(words, Shape.width)}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(kept, path)
    ids = wordpiece.encode(pieces, texts + more, Shape.max_tokens)
    ids = [row or [wordpiece.UNK] for row in ids]
    return Corpus(ids, torch.tensor(known + more_known, device="cpu"), kept["embeddings"], kept["logits"]), kept["vectors"]


def _random_texts(shape, seed, count=2000):
    """Random token sequences of any length, which show the ranges far from the training texts."""
    rng = random.Random(seed)
    return [[rng.randrange(1, shape.vocabulary) for _ in range(rng.randint(1, shape.max_tokens))] for _ in range(count)]
