import json
from pathlib import Path

import pytest

from polyformer_train.vectors import vectors


def test_the_file_for_other_languages_is_what_the_modules_compute():
    kept = json.loads((Path(__file__).parent / "vectors.json").read_text())
    same(kept, vectors())


def same(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for k in a:
            same(a[k], b[k])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-7, abs=1e-9)
    else:
        assert a == b
