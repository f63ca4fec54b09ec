"""Known answers of tokenizer files: writes tokens.json, which host-tools/src/model/tokenizer/tests.rs reads.

    pip install tokenizers; python3 tokens.py TOKENIZER TEXTS

TOKENIZER is the tokenizer.json of all-MiniLM-L6-v2 (Apache-2.0). TEXTS is train.csv of BANKING77 (CC-BY-4.0). The answers are those of the
Python package `tokenizers`, with special tokens. The vocabulary is reduced to the words of the answers. WordPiece takes the longest word
at each place, so the answers of the reduced vocabulary are the answers of the whole vocabulary; the script checks this.
"""

import csv
import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

ODD = [
    "Über café naïve ŐŰ İstanbul ß ﬁ",
    "tab\tand\nline\r\nend\u00a0hard\u2003wide",
    "卡 在 哪里 card 漢字",
    "😀 card 👩‍👩‍👧 ☃",
    "zero\u200bwidth \ufeff mark \u0000 nul \u0007 bell",
    "don't can't I'm we'll they've £5.00 €3,50 50% #1 a@b.c",
    "[CLS] inside [SEP] the text [MASK] [PAD] [UNK]",
    "<s> inside </s> the text <mask> <pad>",
    "x" * 101 + " " + "y" * 100,
    "e\u0301te\u0301 A\u030angstro\u0308m",
    "   blanks   at   both   ends   ",
    "card\u00adsoft ﷺ \u202eright",
]


def texts(path):
    rows = list(csv.DictReader(open(path, encoding="utf-8", newline="")))
    return [row["text"] for row in rows[:: len(rows) // 200][:200]]


def reduced(file, lines):
    """The file with the words of the answers alone."""
    words = {str(token) for line in lines for token in Tokenizer.from_str(json.dumps(file)).encode(line).tokens}
    words |= {token["content"] for token in file["added_tokens"]}
    small = json.loads(json.dumps(file))
    small["model"]["vocab"] = {word: id for word, id in file["model"]["vocab"].items() if word in words}
    return small


def roberta(lines):
    """A file as roberta-base has it: byte-level BPE, no type of the model, merges as texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    file = json.loads(tokenizer.to_str())
    file["model"] = {
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "vocab": file["model"]["vocab"],
        "merges": [" ".join(merge) for merge in file["model"]["merges"]],
    }
    file["added_tokens"][-1]["lstrip"] = True  # <mask>
    return file


def distilbert(file):
    """The file as distilbert-base-uncased had it in 2020: no type of the model, BertProcessing, no truncation, no padding."""
    file = json.loads(json.dumps(file))
    del file["model"]["type"]
    file["truncation"] = file["padding"] = None
    file["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}
    return file


def answers(file, lines, most):
    """Of the whole text, and of a text that is cut to `most` tokens."""
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.no_padding()
    whole = [tokenizer.encode(line).ids for line in lines]
    tokenizer.enable_truncation(most)
    return whole, [tokenizer.encode(line).ids for line in lines]


def case(name, file, lines, most=9):
    whole, cut = answers(file, lines, most)
    return {"name": name, "tokenizer": file, "texts": lines, "most": most, "ids": whole, "cut": cut}


def main():
    lines = texts(sys.argv[2])
    full = json.load(open(sys.argv[1], encoding="utf-8"))
    minilm = reduced(full, lines + ODD)
    assert answers(full, lines + ODD, 9) == answers(minilm, lines + ODD, 9)
    cases = [
        case("all-MiniLM-L6-v2", minilm, lines + ODD),
        case("distilbert", distilbert(reduced(full, lines[:40] + ODD)), lines[:40] + ODD),
        case("roberta", roberta(lines), lines[:40] + ODD),
    ]
    text = ",\n".join(json.dumps(case, ensure_ascii=True, separators=(",", ":")) for case in cases)
    Path(__file__).with_suffix(".json").write_text(f"[{text}]\n", encoding="ascii")


main()
