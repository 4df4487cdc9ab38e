"""Tokenizers of the kinds that two-tower models use, made on the spot."""

from typing import Any

from tokenizers import models, normalizers, pre_tokenizers, Tokenizer, trainers
from transformers import GemmaTokenizer, Siglip2Tokenizer, XLMRobertaTokenizer

from tiny._trained import _by_rank, _merges, LETTERS, scored_pieces, SENTENCES


def unigram(max_length: int) -> Any:
    """Return a tokenizer of XLM-RoBERTa's kind, as MetaCLIP 2's and AltCLIP's."""
    special = ['<s>', '<pad>', '</s>', '<unk>', '<mask>']
    return XLMRobertaTokenizer(vocab=scored_pieces(special), model_max_length=max_length)


def gemma(max_length: int, *, lowers: bool) -> Any:
    """Return a tokenizer of Gemma's kind, as SigLIP 2's, which may make words lower-case."""
    special = ['<pad>', '<eos>', '<bos>', '<unk>', '<mask>']
    trained = Tokenizer(models.BPE(unk_token='<unk>'))
    trained.normalizer = normalizers.Replace(' ', '▁')
    trained.pre_tokenizer = pre_tokenizers.Split('▁', 'merged_with_previous')
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=LETTERS, show_progress=False
    )
    trained.train_from_iterator(SENTENCES, trainer)
    kind = Siglip2Tokenizer if lowers else GemmaTokenizer
    return kind(
        vocab=_by_rank(trained),
        merges=_merges(trained),
        model_max_length=max_length,
        padding_side='right',
        model_input_names=['input_ids'],
    )
