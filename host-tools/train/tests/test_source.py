"""Folders of BERT's family are read exactly, in every type and layout, and what is not known is refused in one line."""

import json

import pytest
import torch

from polyformer_train import encoder, source, texts
from polyformer_train.source import Refused

pytest.importorskip("transformers")
import tiny  # noqa: E402

FAMILIES = ("bert", "distilbert", "roberta")


def edit(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v != "remove"}))


def refusal(folder, task="embed"):
    with pytest.raises(Refused) as e:
        source.read(folder, task)
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("task", ("embed", "classify"))
@pytest.mark.parametrize("family", FAMILIES)
def test_the_encoder_equals_the_library(tmp_path, family, task):
    folder, theirs = tiny.folder(tmp_path / "m", family, task)
    ours = encoder.from_source(source.read(folder, task))
    ids, mask = texts.pad(texts.ids_of(texts.tokenizer_of(folder / "tokenizer.json", 16), tiny.texts(20)))
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=mask)
        states, _, logits = ours(ids, mask)
        if task == "classify":
            assert torch.allclose(logits, expected.logits, atol=1e-5)
        else:
            assert torch.allclose(states[-1][mask.bool()], expected.last_hidden_state[mask.bool()], atol=1e-5)


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16))
def test_half_precision_and_shards_give_the_same_tensors(tmp_path, dtype):
    folder, theirs = tiny.folder(tmp_path / "m", dtype=dtype, shard="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    held = source.read(folder, "embed").tensors
    for name, tensor in theirs.state_dict().items():
        if "pooler" not in name and "position_ids" not in name:
            assert held[name].dtype == torch.float32 and torch.equal(held[name], tensor), name


def test_tied_weights_of_a_masked_language_model_are_read(tmp_path):
    import transformers

    folder, _ = tiny.folder(tmp_path / "m")
    config = transformers.BertConfig.from_pretrained(folder)
    whole = transformers.BertForMaskedLM(config).eval()
    whole.save_pretrained(folder)
    held = source.read(folder, "embed").tensors
    assert torch.equal(held["embeddings.word_embeddings.weight"], whole.cls.predictions.decoder.weight)


def test_berts_keys_are_added_and_theirs_stay(tmp_path):
    config = source.read(tiny.folder(tmp_path / "m", "distilbert")[0], "embed").config
    assert config["dim"] == config["hidden_size"] == 32 and config["n_layers"] == config["num_hidden_layers"] == 2
    assert config["hidden_act"] == "gelu" and config["layer_norm_eps"] == 1e-12


def test_the_position_table_begins_with_the_first_token(tmp_path):
    folder, theirs = tiny.folder(tmp_path / "m", "roberta")
    held = source.read(folder, "embed")
    table = theirs.embeddings.position_embeddings.weight
    assert torch.equal(held.tensors["embeddings.position_embeddings.weight"], table[1:])  # pad_token_id 0
    assert held.config["max_position_embeddings"] == 23


@pytest.mark.parametrize(
    "changes, said",
    [
        (dict(model_type="llama"), "model_type is 'llama'"),
        (dict(model_type="remove"), "model_type is None"),
        (dict(position_embedding_type="relative_key"), "position_embedding_type is 'relative_key'"),
        (dict(hidden_act="silu"), "hidden_act is 'silu'"),
        (dict(is_decoder=True), "is_decoder is True"),
        (dict(add_cross_attention=True), "add_cross_attention is True"),
        (dict(pruned_heads={"0": [1]}), "pruned_heads is {'0': [1]}"),
        (dict(quantization_config={"bits": 4}), "quantization_config is {'bits': 4}"),
        (dict(num_attention_heads=5), "num_attention_heads is 5"),
        (dict(hidden_size="remove"), "hidden_size is missing"),
        (dict(num_hidden_layers=0), "num_hidden_layers is 0"),
        (dict(num_hidden_layers=3), "the tensor encoder.layer.2"),
        (dict(intermediate_size=60), "a shape that disagrees with config.json"),
    ],
)
def test_a_configuration_that_is_not_known_is_refused_with_key_and_value(tmp_path, changes, said):
    folder, _ = tiny.folder(tmp_path / "m")
    edit(folder, **changes)
    assert said in refusal(folder)


def test_a_folder_that_is_not_whole_is_refused(tmp_path):
    assert "config.json is missing" in refusal(tmp_path)
    folder, _ = tiny.folder(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in refusal(folder)
    (folder / "config.json").write_text("[")
    assert "not JSON" in refusal(folder)


def test_a_model_without_a_classifier_is_refused_for_classify(tmp_path):
    assert "the tensor classifier" in refusal(tiny.folder(tmp_path / "m")[0], "classify")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder, _ = tiny.folder(tmp_path / "m")
    held = load_file(folder / "model.safetensors")
    held["encoder.layer.1.output.dense.bias"][3] = torch.nan
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})
    assert "encoder.layer.1.output.dense.bias holds a value that is not finite" in refusal(folder)


def test_a_tokenizer_with_more_ids_than_rows_is_refused(tmp_path):
    folder, _ = tiny.folder(tmp_path / "m", vocab_size=20)
    assert "the tokenizer has the id 27, and vocab_size is 20" in refusal(folder)


def test_the_pooling_of_a_sentence_encoder_is_read(tmp_path):
    folder, _ = tiny.folder(tmp_path / "m")
    (folder / "1_Pooling").mkdir()
    for given, held in (({"pooling_mode_cls_token": True}, "first"), ({"pooling_mode_mean_tokens": True}, "mean")):
        (folder / "1_Pooling/config.json").write_text(json.dumps(given))
        assert source.read(folder, "embed").pooling == held
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    assert "pooling_mode_max_tokens is true" in refusal(folder)
