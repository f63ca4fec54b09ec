"""Reads a Hugging Face folder of BERT's family (BERT, MiniLM, DistilBERT, RoBERTa) through `transformers`, without the network.

The result has BERT's tensor names, f32, whatever the folder's names and types were. What the converter does not know is
refused in one line that names the key of config.json and the value.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
RENAMED = {  # DistilBERT's keys of config.json
    "dim": "hidden_size",
    "n_heads": "num_attention_heads",
    "n_layers": "num_hidden_layers",
    "hidden_dim": "intermediate_size",
    "activation": "hidden_act",
}
NEEDED = ("hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size", "hidden_act", "vocab_size")
DEFAULTS = {"distilbert": {"layer_norm_eps": 1e-12, "hidden_act": "gelu"}}
FAMILIES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "camembert": "roberta", "distilbert": "distilbert"}
FIXED = {  # key: the only values that the polynomial form has
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "cross_attention_hidden_size": (None,),
    "is_encoder_decoder": (False,),
    "pruned_heads": ({},),
    "quantization_config": (None,),
}
POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}


class Refused(ValueError):
    """A model that the converter does not convert, in one line."""


@dataclass
class Source:
    """A model under BERT's names. `head` is the activation between `head.dense` and `classifier`: "tanh", "relu" or None."""

    config: dict  # config.json as it was, with BERT's keys added
    family: str
    tensors: dict
    pooling: str
    head: str | None = None
    labels: list = field(default_factory=list)
    tokenizer: Path | None = None

    @property
    def activation(self):
        return ACTIVATIONS[self.config["hidden_act"]]


def read(folder, task):
    """The model of a folder, for "embed" or "classify"."""
    folder = Path(folder)
    config, family = read_config(folder)
    if not (folder / "tokenizer.json").is_file():
        raise Refused(f"{folder}: tokenizer.json is missing; save the fast tokenizer with tokenizer.save_pretrained")
    state = _state(folder, family, task)
    tensors = _renamed(state, config, family, task)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise Refused(f"{folder}: the tensor {name} holds a value that is not finite")
    config["max_position_embeddings"] = len(tensors["embeddings.position_embeddings.weight"])
    head = _head(config, family, tensors) if task == "classify" else None
    labels = _labels(config, tensors) if task == "classify" else []
    pooling = "first" if task == "classify" else _pooling(folder)
    _check_vocabulary(folder / "tokenizer.json", len(tensors["embeddings.word_embeddings.weight"]))
    return Source(config, family, tensors, pooling, head, labels, folder / "tokenizer.json")


def read_config(folder):
    """(config with BERT's keys added, family) of a folder's config.json."""
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"{folder}: config.json is missing; --model takes a Hugging Face folder") from None
    except ValueError as e:
        raise Refused(f"{path}: not JSON ({e})") from None
    if not isinstance(config, dict):
        raise Refused(f"{path}: not a JSON object")
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise Refused(f"{path}: model_type is {kind!r}; the converter knows {', '.join(FAMILIES)}")
    family = FAMILIES[kind]
    config = dict(config)
    for theirs, ours in RENAMED.items():
        if theirs in config:
            config.setdefault(ours, config[theirs])
    for key, value in DEFAULTS.get(family, {}).items():
        config.setdefault(key, value)
    config.setdefault("layer_norm_eps", 1e-12 if family == "bert" else 1e-5)
    for key, values in FIXED.items():
        if key in config and config[key] not in values:
            raise Refused(f"{path}: {key} is {config[key]!r}; the polynomial form has {values[0]!r}")
    for key in NEEDED:
        if key not in config:
            raise Refused(f"{path}: {key} is missing")
        if key != "hidden_act" and not (isinstance(config[key], int) and config[key] > 0):
            raise Refused(f"{path}: {key} is {config[key]!r}; a positive integer is needed")
    if config["hidden_act"] not in ACTIVATIONS:
        raise Refused(f"{path}: hidden_act is {config['hidden_act']!r}; the converter knows {', '.join(ACTIVATIONS)}")
    if config["hidden_size"] % config["num_attention_heads"]:
        heads, width = config["num_attention_heads"], config["hidden_size"]
        raise Refused(f"{path}: num_attention_heads is {heads}, which does not divide hidden_size {width}")
    return config, family


def _state(folder, family, task):
    """All tensors in f32, by the library's names. A tensor that the folder lacks is refused."""
    import transformers

    kind = transformers.AutoModelForSequenceClassification if task == "classify" else transformers.AutoModel
    log = transformers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        model, info = kind.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as e:
        raise Refused(f"{folder}: {str(e).strip().splitlines()[0]}") from None
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()
    if info["mismatched_keys"]:
        name, held, wanted = sorted(info["mismatched_keys"])[0]
        raise Refused(f"{folder}: the tensor {name} has a shape that disagrees with config.json: {list(held)}, not {list(wanted)}")
    missing = sorted(k for k in info["missing_keys"] if "pooler" not in k or task == "classify")
    if missing:
        hint = "; a folder without a classifier converts with --task embed" if task == "classify" else ""
        raise Refused(f"{folder}: the tensor {missing[0]} is missing{hint}")
    prefix = model.base_model_prefix + "."
    return {k.removeprefix(prefix): v.detach().float().clone() for k, v in model.state_dict().items()}


_DISTIL = {
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}


def _renamed(state, config, family, task):
    out = {}
    for name, tensor in state.items():
        if family == "distilbert" and name.startswith("transformer.layer."):
            _, _, index, rest = name.split(".", 3)
            stem, kind = rest.rsplit(".", 1)
            name = f"encoder.layer.{index}.{_DISTIL[stem]}.{kind}"
        if name.startswith(("embeddings.", "encoder.layer.")):
            out[name] = tensor
    for name in ("position_ids", "token_type_ids"):
        out.pop(f"embeddings.{name}", None)
    if family == "roberta":  # position 0 of a text is row pad + 1
        first = config.get("pad_token_id", 1) + 1
        out["embeddings.position_embeddings.weight"] = out["embeddings.position_embeddings.weight"][first:].clone()
    if task == "classify":
        dense, last = {
            "bert": ("pooler.dense", "classifier"),
            "distilbert": ("pre_classifier", "classifier"),
            "roberta": ("classifier.dense", "classifier.out_proj"),
        }[family]
        for kind in ("weight", "bias"):
            out[f"head.dense.{kind}"] = state[f"{dense}.{kind}"]
            out[f"classifier.{kind}"] = state[f"{last}.{kind}"]
    return out


def _head(config, family, tensors):
    width = config["hidden_size"]
    if tensors["head.dense.weight"].shape != (width, width):
        raise Refused(f"the head has the shape {tuple(tensors['head.dense.weight'].shape)}, hidden_size is {width}")
    return "relu" if family == "distilbert" else "tanh"


def _labels(config, tensors):
    count = len(tensors["classifier.weight"])
    kind = config.get("problem_type")
    if kind not in (None, "single_label_classification"):
        raise Refused(f"config.json: problem_type is {kind!r}; the converter knows 'single_label_classification'")
    if count < 2:
        raise Refused(f"config.json: num_labels is {count}; a classifier has two or more")
    names = config.get("id2label") or {}
    return [str(names.get(str(i), f"LABEL_{i}")) for i in range(count)]


def _pooling(folder):
    """Of a sentence-transformers folder; the mean where the folder does not say."""
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    given = json.loads(path.read_text(encoding="utf-8"))
    chosen = [k for k, v in given.items() if k.startswith("pooling_mode_") and v is True]
    if len(chosen) != 1 or chosen[0] not in POOLINGS:
        raise Refused(f"{path}: {' and '.join(chosen) or 'no pooling mode'} is true; the converter knows one of {', '.join(POOLINGS)}")
    return POOLINGS[chosen[0]]


def _check_vocabulary(path, rows):
    from tokenizers import Tokenizer

    highest = max(Tokenizer.from_file(str(path)).get_vocab().values())
    if highest >= rows:
        raise Refused(f"{path}: the tokenizer has the id {highest}, and vocab_size is {rows}")
