import pytest
import torch

import polyformer_train as pt


@pytest.fixture
def scores():
    torch.manual_seed(1)
    return torch.randn(2, 3, 5, 5, dtype=torch.float64)


def test_power_softmax_by_hand():
    x = torch.tensor([[1.0, -2.0, 0.0]], dtype=torch.float64)
    assert torch.allclose(pt.power_softmax(x, power=4, epsilon=0.0), torch.tensor([[1 / 17, 16 / 17, 0.0]], dtype=torch.float64))
    assert torch.allclose(pt.power_softmax(x, power=2, epsilon=5.0), torch.tensor([[0.1, 0.4, 0.0]], dtype=torch.float64))


def test_the_stable_form_is_the_plain_one_when_epsilon_is_zero(scores):
    assert torch.allclose(pt.stable_power_softmax(scores, epsilon=0.0), pt.power_softmax(scores, epsilon=0.0))


def test_the_stable_form_survives_scores_that_overflow_the_plain_one():
    x = torch.tensor([[1e12, 2e12, -1e12]])
    assert torch.isfinite(pt.stable_power_softmax(x)).all()


def test_the_length_agnostic_form_is_the_lipschitz_one_with_epsilon_times_length(scores):
    a = pt.length_agnostic_power_softmax(scores, epsilon=0.02)
    assert torch.allclose(a, pt.power_softmax(scores, epsilon=0.02 * scores.shape[-1]))


def test_padding_changes_nothing(scores):
    mask = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    for weights in (pt.power_softmax, pt.stable_power_softmax, pt.length_agnostic_power_softmax, pt.scaled_sigma):
        masked, short = weights(scores, mask), weights(scores[..., :3].contiguous())
        assert torch.allclose(masked[..., :3], short) and (masked[..., 3:] == 0).all()


def test_a_causal_mask_hides_the_future_and_counts_only_the_past(scores):
    causal = torch.tril(torch.ones(5, 5, dtype=torch.float64))
    w = pt.length_agnostic_power_softmax(scores, causal)
    assert (w.triu(1) == 0).all()
    assert torch.allclose(w[..., 2, :3], pt.length_agnostic_power_softmax(scores[..., 2, :3]))


def test_the_causal_denominator_is_a_mean_of_as_many_powers_as_there_are_keys():
    ones = torch.full((1, 6, 6), 0.7, dtype=torch.float64)
    w = pt.length_agnostic_power_softmax(ones, torch.tril(torch.ones(6, 6, dtype=torch.float64)), epsilon=0.02)
    assert torch.allclose(w.sum(-1), torch.full((1, 6), 0.7**4 / (0.02 + 0.7**4), dtype=torch.float64))


def test_rotary_positions_are_those_of_llama():
    transformers = pytest.importorskip("transformers")
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    torch.manual_seed(2)
    q, k = torch.randn(2, 3, 7, 8), torch.randn(2, 3, 7, 8)
    for base in (10000.0, 500.0):
        config = transformers.LlamaConfig(hidden_size=24, num_attention_heads=3)
        config.rope_parameters = {"rope_type": "default", "rope_theta": base}
        config.rope_theta = base
        cos, sin = LlamaRotaryEmbedding(config)(q, torch.arange(7).unsqueeze(0))
        for x, expected in zip((q, k), apply_rotary_pos_emb(q, k, cos, sin)):
            assert torch.allclose(pt.rotary(x, base), expected, atol=1e-5)


def test_rotary_scores_know_distances_only():
    q, k = torch.randn(1, 8, dtype=torch.float64), torch.randn(1, 8, dtype=torch.float64)
    scores = pt.rotary(q.expand(6, 8), 100.0) @ pt.rotary(k.expand(6, 8), 100.0).T
    for distance in range(-5, 6):
        assert torch.allclose(scores.diagonal(distance), scores.diagonal(distance)[:1])
    assert not torch.allclose(scores.diagonal(1)[:1], scores.diagonal(-1)[:1])


def test_odd_powers_are_refused(scores):
    with pytest.raises(ValueError):
        pt.power_softmax(scores, power=3)


def test_the_gaussian_kernel_is_one_at_equal_vectors_and_needs_no_scores():
    q = torch.randn(2, 4, 8, dtype=torch.float64)
    w = pt.gaussian_kernel(q, q)
    assert torch.allclose(w.diagonal(dim1=-2, dim2=-1), torch.ones(2, 4, dtype=torch.float64))
    distance = torch.cdist(q, q) ** 2
    assert torch.allclose(w, torch.exp(-distance / (2 * 8**0.5)))


def test_modules_compute_their_functions(scores):
    assert torch.equal(pt.PowerSoftmax(form="lipschitz")(scores), pt.power_softmax(scores))
    assert torch.equal(pt.PowerSoftmax(epsilon=0.1)(scores), pt.stable_power_softmax(scores, epsilon=0.1))
    assert torch.equal(pt.ScaledSigma()(scores), pt.scaled_sigma(scores))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))])
@pytest.mark.parametrize("name", pt.NAMES)
def test_a_hugging_face_model_switches_by_name(name, device):
    transformers = pytest.importorskip("transformers")
    pt.register()
    shape = dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    models = (
        transformers.BertModel(transformers.BertConfig(**shape)),
        transformers.LlamaModel(transformers.LlamaConfig(**shape, num_key_value_heads=2)),
    )
    for causal, model in enumerate(models):
        model = model.eval().to(device)
        ids = torch.randint(0, 50, (2, 7), device=device)
        mask = torch.tensor([[1] * 7, [1] * 5 + [0] * 2], device=device)
        before = model(input_ids=ids, attention_mask=mask).last_hidden_state
        model.set_attn_implementation(name)
        with torch.no_grad():
            after = model(input_ids=ids, attention_mask=mask).last_hidden_state
            ids[1, 5:] = (ids[1, 5:] + 1) % 50
            padding = model(input_ids=ids, attention_mask=mask).last_hidden_state
            ids[0, 6] = (ids[0, 6] + 1) % 50
            future = model(input_ids=ids, attention_mask=mask).last_hidden_state
        assert torch.isfinite(after).all() and not torch.allclose(before, after)
        assert torch.equal(after[1, :5], padding[1, :5])
        assert not causal or torch.equal(after[0, :6], future[0, :6])
