"""LLaVA's real classes at tiny size, with a tokenizer and a chat template, saved to disk."""

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SIDE_PX, PATCH_PX = 32, 16
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    '{% endfor %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}'
)
CORPUS = (
    'a photo of a cat on a red sofa beside a cup of coffee',
    'Is there a person in the image? yes no yes no',
    'two dogs and a bus stand in front of the old station',
    'Describe the image in one sentence. Answer with one word.',
)


def save_tiny_llava(folder: Path) -> None:
    """Write a model of two layers that says words and takes images of any size."""
    tokenizer = _tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(11)
        model = LlavaForConditionalGeneration(_config(tokenizer))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    # Wider than a fresh initialization, whose answers are one word repeated.
                    parameter.normal_(std=0.4)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={'shortest_edge': SIDE_PX}, crop_size={'height': SIDE_PX, 'width': SIDE_PX}
        ),
        tokenizer=tokenizer,
        patch_size=PATCH_PX,
        vision_feature_select_strategy='default',
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    special = ['<pad>', '<s>', '</s>', '<image>']
    trainer = BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token='<pad>',
        bos_token='<s>',
        eos_token='</s>',
        extra_special_tokens={'image_token': '<image>'},
        model_max_length=2048,
    )


def _config(tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE_PX,
            patch_size=PATCH_PX,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=4096,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids('<image>'),
    )
