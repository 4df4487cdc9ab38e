"""Real tokenizers without a model hub."""

import gzip
from pathlib import Path
from typing import Any

import open_clip
from transformers import CLIPTokenizer

END = '<|endoftext|>'


def clip_tokenizer(max_length: int = 16) -> Any:
    """Return CLIP's own tokenizer, whose merges open_clip brings along.

    As OpenAI's code makes it out of the same file: bytes, bytes that end a word, 48894 merges.
    """
    path = Path(open_clip.__file__).with_name('bpe_simple_vocab_16e6.txt.gz')
    lines = gzip.decompress(path.read_bytes()).decode('utf-8').split('\n')
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = letters + [letter + '</w>' for letter in letters] + [''.join(pair) for pair in merges]
    words += ['<|startoftext|>', END]
    return CLIPTokenizer(
        vocab={word: index for index, word in enumerate(words)},
        merges=merges,
        model_max_length=max_length,
        pad_token='!',  # as OWL's does, whose mask is of ids above 0
    )
