"""Converts a Hugging Face folder of BERT, MiniLM, DistilBERT or RoBERTa to a model of polynomials.

    polyformer-convert --model FOLDER --texts FILE --task embed --attention power_softmax --out DIR --minutes 30

FILE has one text a line; a .tsv has text TAB label, a .csv the columns text and category. Labels serve the report only. The
conversion needs no network. A checkpoint lies at DIR/checkpoint.pt until the end, and --resume goes on from it.
"""

import argparse
import math
import platform
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from . import converted, score, texts
from .conversion import ATTENTIONS, Conversion, Options
from .source import Refused
from .whole import PLACES, polynomials

CHECKPOINT = "checkpoint.pt"
ALONE = 300  # texts for the fits, and held-out texts, of each replacement alone


def convert(model, corpus, out, options, held=None, resume=False, progress=None, log=None):
    """Converts `model` (a folder) on `corpus` (`texts.Texts`) to the folder `out`. Returns the report.

    # Errors
    `Refused`, in one line, before anything is computed: a model that is not known, options or texts that do not fit, a
    checkpoint of another conversion, a folder that holds a converted model already.
    """
    out = Path(out)
    checkpoint = out / CHECKPOINT
    if (out / "config.json").exists():
        raise Refused(f"{out}: holds a config.json already; give --out another folder")
    if checkpoint.exists() and not resume:
        raise Refused(f"{checkpoint}: a conversion stopped there; go on with --resume, or remove the file")
    processor = time.process_time()
    work = Conversion(model, corpus, held, options, checkpoint, progress, log)
    if resume:
        work.resume()
    out.mkdir(parents=True, exist_ok=True)
    work.run()
    report, taps, padding = measure(work)
    for name in taps.seen:
        if not math.isfinite(sum(map(abs, (*taps.of(name), *padding.seen.get(name, (0.0, 0.0)))))):
            raise Refused(f"{name} is not finite on the texts: a polynomial left its range; give more --minutes, --margin or texts")
    report["processor_seconds"] = round(time.process_time() - processor)
    converted.write(out, work, taps, padding, report)
    checkpoint.unlink(missing_ok=True)
    return report


def measure(work):
    """(report, ranges on all texts, ranges on padding rows) of a finished conversion."""
    o = work.options
    kept = texts.batches(work.ids, o.batch, o.device, o.seed)
    held = texts.batches(work.held_ids, o.batch, o.device)
    count = len(work.held_ids)
    taps, padding = score.extents(work.student, kept + held)
    sample = texts.batches(random.Random(o.seed).sample(work.ids, min(len(work.ids), ALONE)), o.batch, o.device)
    some = sorted(random.Random(o.seed).sample(range(count), min(count, ALONE)))
    report = {
        "model": work.source.config.get("_name_or_path") or work.source.config["model_type"],
        "options": asdict(o),
        "texts": len(work.ids) + count,
        "held_out": work.quality(),
        "after_layers": work.after_layers,
        "layers": work.measured,
        "alone": score.alone(
            work.teacher,
            sample,
            texts.batches([work.held_ids[i] for i in some], o.batch, o.device),
            len(some),
            o,
            work.labels and [work.labels[i] for i in some],
        ),
        "depth": score.depths(work.student),
        "outside": outside(work.student, taps),
        "curve": work.whole.curve,
        "steps": work.whole.step,
        "seconds": {"layers": work.seconds["layers"], "whole": work.whole.seconds},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    return report, taps, padding


def outside(student, taps):
    """Polynomials whose argument leaves their range on these texts."""
    out = {}
    for i, layer in enumerate(student.layers):
        for name, p in polynomials(layer).items():
            place = f"layers.{i}.{PLACES[name]}"
            lo, hi = taps.of(place)
            if not (p.lo <= lo and hi <= p.hi):
                out[place] = {"seen": [lo, hi], "range": [p.lo, p.hi]}
    return out


class Bar:
    """Progress on one line of a terminal; elsewhere a line every half minute."""

    def __init__(self, stream=sys.stderr):
        self.stream, self.terminal, self.last = stream, stream.isatty(), 0.0

    def __call__(self, share, what):
        now = time.monotonic()
        if now - self.last < (0.2 if self.terminal else 30.0) and share < 1.0:
            return
        self.last, full = now, int(30 * min(1.0, share))
        line = f"[{'#' * full}{'.' * (30 - full)}] {100 * share:3.0f} % {what}"
        self.stream.write(f"\r{line:<110}" if self.terminal else line + "\n")
        if self.terminal and share >= 1.0:
            self.stream.write("\n")
        self.stream.flush()


def parser():
    d = Options()
    p = argparse.ArgumentParser("polyformer-convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True, metavar="FOLDER", help="the Hugging Face folder")
    p.add_argument("--texts", required=True, metavar="FILE", help="texts of the kind that the model will see")
    p.add_argument("--held-out", metavar="FILE", help="texts for the report; without it a tenth of the texts, by hash")
    p.add_argument("--task", required=True, choices=("embed", "classify"))
    p.add_argument("--attention", required=True, metavar="NAME", help=f"the attention that takes softmax's place: {', '.join(ATTENTIONS)}")
    p.add_argument("--out", required=True, metavar="DIR")
    p.add_argument("--minutes", type=float, default=d.minutes, help=f"time of the conversion ({d.minutes:g})")
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    p.add_argument("--limit", type=int, default=20_000, help="texts that are used at most, of those of FILE (20000)")
    p.add_argument("--power", type=int, default=d.power, help=f"of PowerSoftmax: 2, 4, 8 or 16 ({d.power})")
    p.add_argument("--max-tokens", type=int, default=d.max_tokens, help=f"texts are cut there ({d.max_tokens})")
    p.add_argument("--margin", type=float, default=d.margin, help=f"factor that widens every measured range ({d.margin})")
    p.add_argument("--seed", type=int, default=d.seed)
    p.add_argument("--device", default=d.device, help="cpu, or cuda")
    return p


def main(arguments=None):
    given = parser().parse_args(arguments)
    names = ("task", "attention", "power", "max_tokens", "minutes", "margin", "seed", "device")
    options = Options(**{name: getattr(given, name) for name in names})
    try:
        corpus = texts.limited(texts.read(given.texts), given.limit)
        held = texts.read(given.held_out) if given.held_out else None
        log = lambda line: print(line, file=sys.stderr, flush=True)
        report = convert(given.model, corpus, given.out, options, held, given.resume, Bar(), log)
    except (Refused, FileExistsError, OSError) as e:
        print(f"polyformer-convert: {e}", file=sys.stderr)
        return 1
    for name, value in report["held_out"].items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
