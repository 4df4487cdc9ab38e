"""Real tokenizers, trained on the spot on a few sentences."""

import json
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BartTokenizer,
    BertTokenizer,
    GPT2Tokenizer,
    PreTrainedTokenizerFast,
    T5Tokenizer,
)

SENTENCES = (
    'a cat sleeps on the wooden table beside a cup of coffee',
    'two dogs are running after a red ball on the grass in the park',
    'is there a person in the kitchen, and what is the person doing?',
    'how many cars are parked on the left side of the street?',
    'an image of a snowman warming himself by a fire at night',
    'the left picture shows twice as many black birds as the right one',
    'yes, no, one, two, three, white, blue, green, yellow, left, right',
    'locate the objects with category name in the image, with mask',
    'what does the image describe? describe in detail what is shown in the image.',
    'question: what color is the door? answer: it is brown and open',
    'a photo of a traffic light, a robot arm and an empty box',
)
LETTERS = sorted(
    {letter for sentence in SENTENCES for letter in sentence} | set('猫0123456789jqzxv')
)


def bert_tokenizer(size: int = 400, **options: Any) -> Any:
    """Return a WordPiece tokenizer as BERT's."""
    trained = tokenizers.Tokenizer(models.WordPiece(unk_token='[UNK]'))
    trained.normalizer = normalizers.BertNormalizer(lowercase=True)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trained.train_from_iterator(
        SENTENCES,
        trainers.WordPieceTrainer(
            vocab_size=size,
            special_tokens=['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
            initial_alphabet=LETTERS,
            show_progress=False,
        ),
    )
    return BertTokenizer(vocab=_by_rank(trained), **options)


def bytes_and_merges(size: int, special: list[str]) -> tuple[dict[str, int], list[Any]]:
    """Return the words and merges of a byte-level BPE, as GPT-2's and BART's."""
    trained = tokenizers.Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trained.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return _by_rank(trained), _merges(trained)


def _by_rank(trained: tokenizers.Tokenizer) -> dict[str, int]:
    # The library numbers words of equal count by the order of a hash table; sorted, they are the
    # same in every process.
    return dict(sorted(trained.get_vocab().items(), key=lambda item: item[1]))


def _merges(trained: tokenizers.Tokenizer) -> list[Any]:
    return [tuple(pair) for pair in json.loads(trained.to_str())['model']['merges']]


def bart_tokenizer(size: int = 420, **options: Any) -> Any:
    """Return a byte-level BPE tokenizer as BART's."""
    vocabulary, merges = bytes_and_merges(size, ['<s>', '<pad>', '</s>', '<unk>', '<mask>'])
    return BartTokenizer(vocab=vocabulary, merges=merges, **options)


def gpt2_tokenizer(size: int = 420) -> Any:
    """Return a byte-level BPE tokenizer as OPT's."""
    vocabulary, merges = bytes_and_merges(size, ['</s>', '<pad>'])
    return GPT2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token='</s>',
        bos_token='</s>',
        eos_token='</s>',
        pad_token='<pad>',
    )


def t5_tokenizer(size: int = 300) -> Any:
    """Return a unigram tokenizer as T5's."""
    trained = tokenizers.Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(
        SENTENCES,
        trainers.UnigramTrainer(
            vocab_size=size,
            special_tokens=['<pad>', '</s>', '<unk>'],
            unk_token='<unk>',
            initial_alphabet=LETTERS,
            show_progress=False,
        ),
    )
    pieces = [tuple(piece) for piece in json.loads(trained.to_str())['model']['vocab']]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def xlmr_tokenizer(images: int, size: int = 300) -> Any:
    """Return a unigram tokenizer as Kosmos-2's: of SentencePiece, with room for an image."""
    special = ['<s>', '<pad>', '</s>', '<unk>']
    trained = tokenizers.Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.decoder = decoders.Metaspace()
    trained.train_from_iterator(
        SENTENCES,
        trainers.UnigramTrainer(
            vocab_size=size,
            special_tokens=[*special, *(f'<image_{index}>' for index in range(images))],
            unk_token='<unk>',
            initial_alphabet=LETTERS,
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=trained,
        bos_token='<s>',
        pad_token='<pad>',
        eos_token='</s>',
        unk_token='<unk>',
    )
