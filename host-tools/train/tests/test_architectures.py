"""Every architecture of the installed `transformers` that accepts an attention implementation, against the registered ones.

A replacement sees what an architecture passes to it. So the sources of all architectures are read: the keywords of every call, and the
parameters and module attributes of the library's own eager functions. Each of them is harmless, handled, or refused by name. An
architecture of a later version with a term that is none of the three fails here.
"""

import ast
from pathlib import Path

import pytest
import torch

import polyformer_train as pt
from polyformer_train.hf import HARMLESS, REFUSED

transformers = pytest.importorskip("transformers")

HANDLED = {"module", "query", "key", "value", "attention_mask", "scaling", "dropout", "is_causal", "query_states", "key_states", "value_states"}
ATTRIBUTES = {"training", "num_key_value_groups", "head_dim"}  # head_dim: the default of the scale
INTERFACES = {"attention_interface", "attention_fn", "attn_interface"}


def architectures():
    """{architecture: (keywords of its calls, parameters of its eager functions, attributes that these read)}"""
    out = {}
    for path in sorted((Path(transformers.__file__).parent / "models").glob("*/modeling_*.py")):
        text = path.read_text(encoding="utf-8")
        if not any(name in text for name in INTERFACES):
            continue
        keywords, parameters, attributes = out.setdefault(path.parent.name, (set(), set(), set()))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in INTERFACES:
                assert not any(isinstance(a, ast.Starred) for a in node.args), path
                assert len(node.args) <= 5, path  # module, query, key, value, mask
                keywords |= {k.arg for k in node.keywords if k.arg is not None}
            if isinstance(node, ast.FunctionDef) and "eager_attention" in node.name:
                parameters |= {a.arg for a in node.args.args + node.args.kwonlyargs}
                inner = (a for a in ast.walk(node) if isinstance(a, ast.Attribute) and isinstance(a.value, ast.Name))
                attributes |= {a.attr for a in inner if a.value.id in ("module", "self")}
    return out


@pytest.fixture(scope="module")
def found():
    pt.register()
    return architectures()


def attend(name, module, **arguments):
    from transformers import AttentionInterface

    torch.manual_seed(4)
    query, key, value = (torch.randn(1, 2, 3, 4) for _ in range(3))
    return AttentionInterface()[name](module, query, key, value, **({"attention_mask": None, "scaling": 0.5} | arguments))[0]


class Module(torch.nn.Module):
    config = transformers.BertConfig()


def test_every_term_of_every_architecture_is_known(found):
    assert len(found) > 100
    known = HANDLED | HARMLESS | set(REFUSED)
    for architecture, (keywords, parameters, attributes) in found.items():
        assert keywords <= known, f"{architecture} passes {keywords - known}"
        assert parameters <= known, f"{architecture}'s eager attention takes {parameters - known}"
        unknown = attributes - ATTRIBUTES - set(REFUSED)
        assert not unknown, f"{architecture}'s eager attention reads {unknown}"


@pytest.mark.parametrize("name", pt.NAMES)
def test_what_each_architecture_passes_is_ignored_rightly_or_refused(found, name):
    """Each distinct call is made with every keyword that one architecture passes."""
    plain, refusing = attend(name, Module()), set()
    for architecture, (keywords, parameters, attributes) in found.items():
        terms = (keywords | parameters | attributes) & set(REFUSED)
        harmless = {k: True for k in keywords & HARMLESS}
        assert torch.equal(attend(name, Module(), **harmless), plain), architecture
        assert torch.equal(attend(name, Module(), **dict.fromkeys(terms & keywords)), plain), architecture  # None: the term is off
        for term in terms:
            with pytest.raises(ValueError, match=f"Module passes {term}, {REFUSED[term]}"):
                attend(name, Module(), **{term: torch.ones(1)})
            refusing.add(architecture)
    assert {"t5", "gemma2", "gpt_oss"} <= refusing and not {"bert", "llama", "distilbert", "roberta"} & refusing


def test_terms_that_a_module_holds_are_refused():
    module = Module()
    module.sinks = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match="Module has sinks, attention sinks"):
        attend("power_softmax", module)


@pytest.mark.parametrize("hidden", [-1e4, -65504.0, -1e9, torch.finfo(torch.float32).min, -torch.inf])
def test_masks_of_large_negative_numbers_hide_keys(hidden):
    keep = torch.tensor([True, False, True]).expand(1, 1, 3, 3)
    mask = torch.zeros(1, 1, 3, 3).masked_fill(~keep, hidden)
    for name in pt.NAMES:
        assert torch.equal(attend(name, Module(), attention_mask=mask), attend(name, Module(), attention_mask=keep))


@pytest.mark.parametrize("number", [-1.0, 0.5, -9999.0])
def test_a_mask_with_another_number_is_a_bias_and_refused(number):
    mask = torch.zeros(1, 1, 3, 3)
    mask[..., 1] = number
    for name in pt.NAMES:
        with pytest.raises(ValueError, match="the mask holds .*, a bias of the scores"):
            attend(name, Module(), attention_mask=mask)


def test_causal_attention_without_a_mask_sees_no_later_token():
    mask = torch.ones(3, 3, dtype=torch.bool).tril().expand(1, 1, 3, 3)
    for name in pt.NAMES:
        causal = attend(name, Module(), is_causal=True)
        assert torch.equal(causal, attend(name, Module(), attention_mask=mask))
        assert not torch.equal(causal, attend(name, Module(), is_causal=False))


def test_the_scale_of_an_architecture_is_kept():
    for name in pt.NAMES:
        assert torch.allclose(attend(name, Module(), scaling=0.5), attend(name, Module(), scaling=None))  # 1 / sqrt 4
    assert not torch.allclose(attend("gaussian_kernel", Module(), scaling=0.5), attend("gaussian_kernel", Module(), scaling=0.1))


SHAPE = dict(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)


def small_models():
    gemma = dict(SHAPE, head_dim=8, num_key_value_heads=1)
    yield "softcap", transformers.Gemma2Model(transformers.Gemma2Config(**gemma, attn_logit_softcapping=30.0))
    oss = dict(SHAPE, head_dim=8, num_key_value_heads=1, num_local_experts=2, num_experts_per_tok=1)
    yield "s_aux|sinks", transformers.GptOssModel(transformers.GptOssConfig(**oss))
    t5 = dict(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0)
    yield "position_bias", transformers.T5EncoderModel(transformers.T5Config(**t5))


def test_whole_models_with_such_terms_are_refused_at_the_first_pass():
    pt.register()
    ids = torch.randint(0, 50, (1, 5))
    for term, model in small_models():
        model = model.eval()
        model.set_attn_implementation("power_softmax")
        with pytest.raises(ValueError, match=f"({term})"):
            model(input_ids=ids)
