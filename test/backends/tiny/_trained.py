"""Real tokenizers, made on the spot of a few sentences, the same in every process."""

from collections.abc import Sequence
import json
import random
import re
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers
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


WORDS = sorted({word for sentence in SENTENCES for word in re.findall(r'\w+|[^\w\s]', sentence)})


def bert_tokenizer(**options: Any) -> Any:
    """Return a WordPiece tokenizer as BERT's, made of whole words and letters.

    Not trained: the library's trainer makes another vocabulary of the same words in every process.
    """
    parts = [word[: len(word) - 1] for word in WORDS if len(word) > 3]
    pieces = [*LETTERS, *(f'##{letter}' for letter in LETTERS), *WORDS, *parts]
    random.Random(3).shuffle(pieces)  # so that likely tokens are pieces of every kind
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    vocabulary = dict.fromkeys([*special, *pieces])
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(vocabulary)}, **options)


def scored_pieces(special: Sequence[str]) -> list[tuple[str, float]]:
    """Return pieces of a unigram tokenizer: words, parts of words, letters, the longest likeliest.

    Not trained, for the same reason.
    """
    halves = {word[: len(word) // 2] for word in WORDS if len(word) > 5}
    ends = {word[len(word) // 2 :] for word in WORDS if len(word) > 5}
    pieces = [f'▁{word}' for word in sorted({*WORDS, *halves})] + sorted(ends)
    letters = ['▁', *(letter for letter in LETTERS if letter != ' ')]
    scores = {**dict.fromkeys(special, 0.0), **dict.fromkeys(letters, -9.0)}
    return list({**scores, **{piece: -5.0 for piece in pieces if piece not in scores}}.items())


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


def t5_tokenizer() -> Any:
    """Return a unigram tokenizer as T5's."""
    return T5Tokenizer(vocab=scored_pieces(['<pad>', '</s>', '<unk>']), extra_ids=0)


def xlmr_tokenizer(images: int) -> Any:
    """Return a unigram tokenizer as Kosmos-2's: of SentencePiece, with room for an image."""
    special = ['<s>', '<pad>', '</s>', '<unk>']
    placeholders = [f'<image_{index}>' for index in range(images)]
    made = tokenizers.Tokenizer(
        models.Unigram(scored_pieces([*special, *placeholders]), unk_id=special.index('<unk>'))
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.add_special_tokens([*special, *placeholders])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token='<s>',
        pad_token='<pad>',
        eos_token='</s>',
        unk_token='<unk>',
    )
