"""A small lower-case WordPiece vocabulary from the training texts: [PAD] = 0, [UNK] = 1, no other special tokens."""

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, UNK = 0, 1


def train(texts, size):
    """A WordPiece tokenizer of at most `size` pieces, made from these texts and nothing else; deterministic."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    alphabet = [chr(c) for c in range(33, 127)] + ["£", "€"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[PAD]", "[UNK]"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer, texts, max_tokens):
    """Token ids of each text, at most max_tokens of them."""
    return [e.ids[:max_tokens] for e in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
