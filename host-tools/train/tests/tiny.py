"""Small random models in Hugging Face folders, with a tokenizer of words, and texts for them."""

import random

import torch

WORDS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi psi omega".split()
)
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=24)
DISTIL = dict(dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=24)


def tokenizer(folder, first_special="[PAD]"):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {w: i for i, w in enumerate([first_special, "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    t = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.save(str(folder / "tokenizer.json"))


def model(family, task="embed", **changes):
    """A random model of `transformers`, in evaluation mode."""
    import transformers as hf

    torch.manual_seed(3)
    names = {"bert": "Bert", "distilbert": "DistilBert", "roberta": "Roberta"}
    sizes = dict(DISTIL if family == "distilbert" else SIZES, vocab_size=4 + len(WORDS), initializer_range=0.15, pad_token_id=0)
    config = getattr(hf, f"{names[family]}Config")(**(sizes | changes))
    kind = "ForSequenceClassification" if task == "classify" else "Model"
    made = getattr(hf, names[family] + kind)(config).eval()
    for name, p in made.named_parameters():  # no bias and no gain that a mistake could leave out
        if p.dim() == 1:
            p.data += 0.1 * torch.randn_like(p)
    return made


def folder(path, family="bert", task="embed", dtype=torch.float32, shard="5GB", **changes):
    """The folder of such a model, and the model."""
    path.mkdir(parents=True, exist_ok=True)
    made = model(family, task, **changes)
    made.to(dtype).save_pretrained(path, max_shard_size=shard)
    tokenizer(path)
    return path, made.float()


def texts(count, seed=0):
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for _ in range(count)]
