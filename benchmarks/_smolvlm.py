"""SmolVLM-256M at its published geometry with random weights: times are real, words not.

SigLIP B/16 at 512 pixels, 64 tokens a tile, SmolLM2-135M: 256 million parameters.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
import re
import sys
import tempfile
from typing import Any

import torch

import vlm_ros.backends.families  # noqa: F401 - before transformers: it mends torchvision's import
from vlm_ros.tasks import Image

# The tests have a tokenizer and the conversation, made without a model hub.
sys.path.append(str(Path(__file__).parents[1] / 'test' / 'backends'))

from PIL import Image as Pillow
from tiny._chat import SMOLVLM, tokenizer
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

VISION = {
    'hidden_size': 768,
    'intermediate_size': 3072,
    'num_hidden_layers': 12,
    'num_attention_heads': 12,
    'image_size': 512,
    'patch_size': 16,
}
VOCABULARY = 49280
TEXT = {
    'model_type': 'llama',
    'hidden_size': 576,
    'intermediate_size': 1536,
    'num_hidden_layers': 30,
    'num_attention_heads': 9,
    'num_key_value_heads': 3,
    'max_position_embeddings': 8192,
    'vocab_size': VOCABULARY,
    'tie_word_embeddings': True,
}
GEOMETRY = 'SmolVLM-256M geometry, 1 tile of 512 px, random weights'


@contextmanager
def smolvlm_256m(questions: Sequence[str]) -> Iterator[Path]:
    """Yield a folder with the model.

    Args:
        questions: As they are asked; their words become one token each, as they are in the
            model's own vocabulary of 49280.
    """
    spoken = ['User: Assistant:', *questions]
    words = (word for text in spoken for word in re.findall(r'(?: |\b)[A-Za-z]+', text))
    tokens = tokenizer(VOCABULARY, words=words, eos_token='<end_of_utterance>')
    ends = {'eos_token_id': tokens.eos_token_id, 'pad_token_id': tokens.pad_token_id}
    torch.manual_seed(7)
    model = SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            vision_config=VISION,
            text_config={**TEXT, **ends},
            scale_factor=4,
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            pad_token_id=tokens.pad_token_id,
            tie_word_embeddings=True,
        )
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:  # small words, so that the image counts and texts differ
                parameter.normal_(std=0.001 if 'embed_tokens' in name else 0.05)
    tiles = {'size': {'longest_edge': 2048}, 'max_image_size': {'longest_edge': 512}}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**tiles),
        tokens,
        SmolVLMVideoProcessor(**tiles),
        image_seq_len=64,
        chat_template=SMOLVLM,
    )
    with tempfile.TemporaryDirectory(prefix='vlm_ros_') as folder:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        yield Path(folder)


class Library:
    """The same weights, used as the library's documentation says."""

    def __init__(self, folder: Path) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(folder)
        self._model: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.float32
        ).eval()

    def ask(self, image: Image, words: str, tokens: int) -> Sequence[int]:
        """Return the tokens of one answer, from the image on."""
        content = [{'type': 'image', 'image': Pillow.fromarray(image)}]
        inputs = self._processor.apply_chat_template(
            [{'role': 'user', 'content': [*content, {'type': 'text', 'text': words}]}],
            tokenize=True,
            return_dict=True,
            add_generation_prompt=True,
            return_tensors='pt',
            processor_kwargs={'do_image_splitting': False},
        )
        with torch.inference_mode():
            made = self._model.generate(**inputs, do_sample=False, max_new_tokens=tokens)
        answer: list[int] = made[0, inputs['input_ids'].shape[1] :].tolist()
        return answer

    def text(self, tokens: Sequence[int]) -> str:
        """Return what tokens say."""
        said: str = self._processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return said.strip()
