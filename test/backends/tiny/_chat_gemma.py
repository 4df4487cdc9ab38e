"""PaliGemma 2, Gemma 3 and Gemma 4 at tiny size, with their processors."""

from pathlib import Path
import string
from typing import Any

from tokenizers import models, normalizers, pre_tokenizers, Tokenizer, trainers
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessor,
    Gemma4Processor,
    Gemma4VideoProcessor,
    GemmaTokenizer,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipImageProcessor,
)

from tiny._chat import SIZE, template, text_config, VISION
from tiny._trained import _by_rank, _merges, LETTERS, SENTENCES


def gemma_tokenizer(**marks: str) -> Any:
    """Return a tokenizer of Gemma's kind, which has no space before the first word."""
    trained = Tokenizer(models.BPE(unk_token='<unk>'))
    trained.normalizer = normalizers.Replace(' ', '▁')
    trained.pre_tokenizer = pre_tokenizers.Split('▁', 'merged_with_previous')
    trained.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=['<pad>', '<eos>', '<bos>', '<unk>', '<mask>'],
            initial_alphabet=[*LETTERS, *string.printable],
            show_progress=False,
        ),
    )
    tokens = GemmaTokenizer(
        vocab=_by_rank(trained), merges=_merges(trained), extra_special_tokens=marks
    )
    tokens.add_special_tokens({'additional_special_tokens': ['<start_of_turn>', '<end_of_turn>']})
    return tokens


def gemma_turns(image: str) -> str:
    """Return the conversation of Gemma."""
    turns = template('<start_of_turn>user\n', image, '<end_of_turn>\n', '<start_of_turn>model\n')
    return '{{ bos_token }}' + turns


SIGLIP = {'model_type': 'siglip_vision_model', **VISION, 'vision_use_head': False}


def paligemma(folder: Path) -> Any:
    """PaliGemma 2: 16 tokens, a task prefix, and attention in both directions over both."""
    tokens = gemma_tokenizer()
    images = SiglipImageProcessor(size=SIZE)
    images.image_seq_length = 16
    PaliGemmaProcessor(images, tokens).save_pretrained(folder)
    return PaliGemmaForConditionalGeneration(
        PaliGemmaConfig(
            vision_config={**SIGLIP, 'projection_dim': 32},
            text_config=text_config(tokens, 'gemma2', head_dim=16, sliding_window=16),
            image_token_index=tokens.convert_tokens_to_ids('<image>'),
            projection_dim=32,
            hidden_size=32,
        )
    )


def gemma3(folder: Path) -> Any:
    """Gemma 3: 4 tokens of an image, which attend to one another, and a sliding window."""
    tokens = gemma_tokenizer(
        image_token='<image_soft_token>', boi_token='<start_of_image>', eoi_token='<end_of_image>'
    )
    Gemma3Processor(
        Gemma3ImageProcessor(size=SIZE),
        tokens,
        chat_template=gemma_turns('<start_of_image>'),
        image_seq_length=4,
    ).save_pretrained(folder)
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            vision_config=SIGLIP,
            text_config=text_config(
                tokens,
                'gemma3_text',
                head_dim=16,
                sliding_window=16,
                layer_types=['sliding_attention', 'full_attention'],
            ),
            mm_tokens_per_image=4,
            boi_token_index=tokens.convert_tokens_to_ids('<start_of_image>'),
            eoi_token_index=tokens.convert_tokens_to_ids('<end_of_image>'),
            image_token_index=tokens.convert_tokens_to_ids('<image_soft_token>'),
        )
    )


def gemma4(folder: Path) -> Any:
    """Gemma 4: images of any shape, a sliding window, and layers that share keys and values."""
    marks = {
        'image_token': '<|image|>',
        'boi_token': '<|image>',
        'eoi_token': '<image|>',
        'audio_token': '<|audio|>',
        'boa_token': '<|audio>',
        'eoa_token': '<audio|>',
    }
    tokens = gemma_tokenizer(**marks)
    Gemma4Processor(
        Gemma4AudioFeatureExtractor(),
        Gemma4ImageProcessor(max_soft_tokens=70),
        tokens,
        Gemma4VideoProcessor(),
        chat_template=gemma_turns('<|image|>'),
    ).save_pretrained(folder)
    ids = {name: tokens.convert_tokens_to_ids(mark) for name, mark in marks.items()}
    vision = {name: value for name, value in VISION.items() if name != 'image_size'}
    return Gemma4ForConditionalGeneration(
        Gemma4Config(
            vision_config={
                **vision,
                'num_key_value_heads': 2,
                'head_dim': 16,
                'position_embedding_size': 256,
            },
            text_config=text_config(
                tokens,
                'gemma4_text',
                head_dim=16,
                global_head_dim=16,
                num_hidden_layers=4,
                layer_types=['sliding_attention', 'full_attention'] * 2,
                sliding_window=16,
                num_kv_shared_layers=2,
                hidden_size_per_layer_input=8,
                vocab_size_per_layer_input=len(tokens),
            ),
            audio_config=None,
            image_token_id=ids['image_token'],
            boi_token_id=ids['boi_token'],
            eoi_token_id=ids['eoi_token'],
            audio_token_id=ids['audio_token'],
            boa_token_id=ids['boa_token'],
            eoa_token_index=ids['eoa_token'],
            video_token_id=tokens.convert_tokens_to_ids('<|video|>'),
        )
    )
