"""Chat models: each kind's own classes, processor and conversation at tiny size."""

from collections.abc import Callable, Iterable
from pathlib import Path
import string
from typing import Any

from tokenizers import models, normalizers, pre_tokenizers, Tokenizer, trainers
import torch
from transformers import (
    CLIPImageProcessor,
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
    GotOcr2ImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    SiglipImageProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from tiny._trained import _by_rank, _merges, bytes_and_merges, LETTERS, SENTENCES

SPECIAL = [
    '<|endoftext|>',
    '<s>',
    '</s>',
    '<|im_start|>',
    '<|im_end|>',
    '<end_of_utterance>',
    '<fake_token_around_image>',
    '<global-img>',
    *(f'<row_{row}_col_{column}>' for row in range(1, 7) for column in range(1, 7)),
    '<image>',
    '<video>',
    '<|vision_start|>',
    '<|vision_end|>',
    '<|image_pad|>',
    '<|video_pad|>',
    '<img>',
    '</img>',
    '<IMG_CONTEXT>',
    '<think>',
    '</think>',
]
TEXT = {
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'num_key_value_heads': 1,
    'max_position_embeddings': 2048,
}
VISION = {
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_hidden_layers': 1,
    'num_attention_heads': 2,
    'image_size': 64,
    'patch_size': 16,
}
SIZE = {'height': 64, 'width': 64}

# The conversations, with the words and marks that each kind was trained on.
_CONTENT = (
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
)


def _template(before: str, image: str, after: str, turn: str) -> str:
    """Return a template: what comes before, for, and after a message, and the model's turn."""
    return (
        '{% for message in messages %}'
        + before
        + _CONTENT.replace('IMAGE', image)
        + after
        + '{% endfor %}{% if add_generation_prompt %}'
        + turn
        + '{% endif %}'
    )


SMOLVLM = '<|im_start|>' + _template('User: ', '<image>', '<end_of_utterance>\n', 'Assistant:')
VICUNA = _template('USER: ', '<image>\n', ' ', 'ASSISTANT:')


def chatml(image: str) -> str:
    """Return the conversation of the Qwen models and of those that are built on them."""
    before = "<|im_start|>{{ message['role'] }}\n"
    return _template(before, image, '<|im_end|>\n', '<|im_start|>assistant\n')


def tokenizer(size: int = 460, *, words: Iterable[str] = (), **options: Any) -> Any:
    """Return a byte-level tokenizer with the marks of all kinds.

    Args:
        size: Beyond what was trained there are tokens that can only be read, for models of a
            published size.
        words: What becomes one token each: words behind a space, or with a capital.
        options: For the tokenizer.
    """
    vocab, merges = bytes_and_merges(460, SPECIAL)
    # Letter by letter from the front, before all other merges.
    longer: dict[tuple[str, str], None] = {}
    for word in words:
        letters = word.replace(' ', 'Ġ')
        longer |= {(letters[:end], letters[end]): None for end in range(1, len(letters))}
    for pair in longer:
        vocab.setdefault(''.join(pair), len(vocab))
    merges = [*longer, *(pair for pair in merges if pair not in longer)]
    vocab |= {f'Ġw{index}': index for index in range(len(vocab), size)}
    return Qwen2Tokenizer(
        vocab=vocab,
        merges=merges,
        additional_special_tokens=SPECIAL[3:],
        **{'pad_token': '<|endoftext|>', 'eos_token': '<|im_end|>', **options},
    )


def text_config(tokens: Any, kind: str, **options: Any) -> dict[str, Any]:
    """Return the config of a language model for a tokenizer."""
    marks = {'eos_token_id': tokens.eos_token_id, 'pad_token_id': tokens.pad_token_id}
    return {'model_type': kind, 'vocab_size': len(tokens), **marks, **TEXT, **options}


def smolvlm(folder: Path) -> Any:
    """SmolVLM: 16 tokens a tile of 64 pixels."""
    tokens = tokenizer(eos_token='<end_of_utterance>')
    tiles = {'size': {'longest_edge': 256}, 'max_image_size': {'longest_edge': 64}}
    SmolVLMProcessor(
        SmolVLMImageProcessor(**tiles),
        tokens,
        SmolVLMVideoProcessor(**tiles),
        image_seq_len=16,
        chat_template=SMOLVLM,
    ).save_pretrained(folder)
    return SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            vision_config={**VISION, 'patch_size': 8},
            text_config=text_config(tokens, 'llama'),
            scale_factor=2,
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            pad_token_id=tokens.pad_token_id,
        )
    )


def idefics3(folder: Path) -> Any:
    """Idefics 3: as SmolVLM, which came out of it."""
    tokens = tokenizer(eos_token='<end_of_utterance>')
    Idefics3Processor(
        Idefics3ImageProcessor(size={'longest_edge': 256}, max_image_size={'longest_edge': 64}),
        tokens,
        image_seq_len=16,
        chat_template=SMOLVLM,
    ).save_pretrained(folder)
    return Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config={**VISION, 'patch_size': 8},
            text_config=text_config(tokens, 'llama'),
            scale_factor=2,
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            pad_token_id=tokens.pad_token_id,
        )
    )


def llava(folder: Path) -> Any:
    """LLaVA 1.5: 16 patches of CLIP's vision tower."""
    tokens = tokenizer(eos_token='</s>', bos_token='<s>')
    LlavaProcessor(
        CLIPImageProcessor(size={'shortest_edge': 64}, crop_size=SIZE),
        tokens,
        patch_size=16,
        vision_feature_select_strategy='default',
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    ).save_pretrained(folder)
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config={'model_type': 'clip_vision_model', **VISION, 'num_hidden_layers': 2},
            text_config=text_config(tokens, 'llama'),
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
        )
    )


def llava_next(folder: Path) -> Any:
    """LLaVA-NeXT: 16 patches a tile, and a new line after each row of them."""
    tokens = tokenizer(eos_token='</s>', bos_token='<s>')
    shapes = [[64, 128], [128, 64], [128, 128]]
    LlavaNextProcessor(
        LlavaNextImageProcessor(
            size={'shortest_edge': 64}, crop_size=SIZE, image_grid_pinpoints=shapes
        ),
        tokens,
        patch_size=16,
        vision_feature_select_strategy='default',
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    ).save_pretrained(folder)
    return LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            vision_config={'model_type': 'clip_vision_model', **VISION, 'num_hidden_layers': 2},
            text_config=text_config(tokens, 'mistral', sliding_window=None),
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            image_grid_pinpoints=shapes,
        )
    )


def llava_onevision(folder: Path) -> Any:
    """LLaVA-OneVision: as NeXT, with SigLIP and Qwen2."""
    tokens = tokenizer()
    shapes = [[64 * rows, 64 * columns] for rows in (1, 2) for columns in (1, 2)]
    LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=SIZE, image_grid_pinpoints=shapes),
        tokens,
        LlavaOnevisionVideoProcessor(size=SIZE),
        num_image_tokens=16,
        vision_feature_select_strategy='full',
        chat_template=chatml('<image>'),
    ).save_pretrained(folder)
    return LlavaOnevisionForConditionalGeneration(
        LlavaOnevisionConfig(
            vision_config={
                'model_type': 'siglip_vision_model',
                **VISION,
                'num_hidden_layers': 2,
                'vision_use_head': False,
            },
            text_config=text_config(tokens, 'qwen2'),
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            video_token_id=tokens.convert_tokens_to_ids('<video>'),
            image_grid_pinpoints=shapes,
        )
    )


QWEN_VISION = {
    'depth': 2,
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_heads': 2,
    'spatial_merge_size': 2,
    'out_hidden_size': 32,
}
QWEN_IMAGE = chatml('<|vision_start|><|image_pad|><|vision_end|>')
MROPE = {'rope_type': 'default', 'rope_theta': 10000.0, 'mrope_section': [2, 3, 3]}


def _qwen_tokens(tokens: Any) -> dict[str, int]:
    return {
        f'{name}_token_id': tokens.convert_tokens_to_ids(f'<|{mark}|>')
        for name, mark in (
            ('image', 'image_pad'),
            ('video', 'video_pad'),
            ('vision_start', 'vision_start'),
            ('vision_end', 'vision_end'),
        )
    }


def _qwen_images(patch_size: int) -> Any:
    return Qwen2VLImageProcessor(
        size={'shortest_edge': 16 * patch_size**2, 'longest_edge': 256 * patch_size**2},
        patch_size=patch_size,
    )


def qwen2_vl(folder: Path) -> Any:
    """Qwen2-VL: one token for four patches of 14 pixels."""
    tokens = tokenizer()
    Qwen2VLProcessor(
        _qwen_images(14), tokens, Qwen2VLVideoProcessor(), chat_template=QWEN_IMAGE
    ).save_pretrained(folder)
    vision = {'depth': 2, 'embed_dim': 32, 'num_heads': 2, 'mlp_ratio': 2, 'hidden_size': 32}
    return Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            vision_config=vision,
            text_config=text_config(tokens, 'qwen2_vl_text', rope_parameters=MROPE),
            **_qwen_tokens(tokens),
        )
    )


def qwen2_5_vl(folder: Path) -> Any:
    """Qwen2.5-VL: one token for four patches of 14 pixels."""
    tokens = tokenizer()
    Qwen2_5_VLProcessor(
        _qwen_images(14), tokens, Qwen2VLVideoProcessor(), chat_template=QWEN_IMAGE
    ).save_pretrained(folder)
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            vision_config={**QWEN_VISION, 'window_size': 56, 'fullatt_block_indexes': [1]},
            text_config=text_config(tokens, 'qwen2_5_vl_text', rope_parameters=MROPE),
            **_qwen_tokens(tokens),
        )
    )


def qwen3_vl(folder: Path) -> Any:
    """Qwen3-VL: one token for four patches of 16 pixels, and features for several layers."""
    tokens = tokenizer()
    Qwen3VLProcessor(
        _qwen_images(16), tokens, Qwen3VLVideoProcessor(), chat_template=QWEN_IMAGE
    ).save_pretrained(folder)
    return Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            vision_config={
                **QWEN_VISION,
                'num_position_embeddings': 16,
                'deepstack_visual_indexes': [0],
            },
            text_config=text_config(tokens, 'qwen3_vl_text', head_dim=16, rope_parameters=MROPE),
            **_qwen_tokens(tokens),
        )
    )


def qwen3_5(folder: Path) -> Any:
    """Qwen3.5: linear attention in one layer of two, and a template that may think."""
    tokens = tokenizer()
    thinks = (
        '{% if enable_thinking is defined and enable_thinking is false %}'
        "{{ '<think>\n\n</think>\n\n' }}{% else %}{{ '<think>\n' }}{% endif %}"
    )
    last = QWEN_IMAGE.rindex('{% endif %}')
    template = QWEN_IMAGE[:last] + thinks + QWEN_IMAGE[last:]
    Qwen3VLProcessor(
        _qwen_images(16), tokens, Qwen3VLVideoProcessor(), chat_template=template
    ).save_pretrained(folder)
    return Qwen3_5ForConditionalGeneration(
        Qwen3_5Config(
            vision_config={**QWEN_VISION, 'num_position_embeddings': 16},
            text_config=text_config(
                tokens,
                'qwen3_5_text',
                head_dim=16,
                layer_types=['linear_attention', 'full_attention'],
                linear_key_head_dim=8,
                linear_value_head_dim=8,
                linear_num_key_heads=2,
                linear_num_value_heads=2,
                rope_parameters={**MROPE, 'partial_rotary_factor': 1.0},
            ),
            **_qwen_tokens(tokens),
        )
    )


def internvl(folder: Path) -> Any:
    """InternVL: 4 tokens a tile of 64 pixels."""
    tokens = tokenizer(
        extra_special_tokens={
            'start_image_token': '<img>',
            'end_image_token': '</img>',
            'context_image_token': '<IMG_CONTEXT>',
            'video_token': '<video>',
        }
    )
    InternVLProcessor(
        GotOcr2ImageProcessor(size=SIZE, crop_to_patches=True, max_patches=4),
        tokens,
        InternVLVideoProcessor(size=SIZE),
        image_seq_length=4,
        chat_template=chatml('<IMG_CONTEXT>\n'),
    ).save_pretrained(folder)
    return InternVLForConditionalGeneration(
        InternVLConfig(
            vision_config={**VISION, 'image_size': [64, 64], 'patch_size': [16, 16]},
            text_config=text_config(tokens, 'qwen2'),
            image_token_id=tokens.convert_tokens_to_ids('<IMG_CONTEXT>'),
            image_seq_length=4,
        )
    )


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
    turns = _template('<start_of_turn>user\n', image, '<end_of_turn>\n', '<start_of_turn>model\n')
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


KINDS: dict[str, Callable[[Path], Any]] = {
    'smolvlm': smolvlm,
    'idefics3': idefics3,
    'llava': llava,
    'llava_next': llava_next,
    'llava_onevision': llava_onevision,
    'qwen2_vl': qwen2_vl,
    'qwen2_5_vl': qwen2_5_vl,
    'qwen3_vl': qwen3_vl,
    'qwen3_5': qwen3_5,
    'internvl': internvl,
    'paligemma': paligemma,
    'gemma3': gemma3,
    'gemma4': gemma4,
}


def save(folder: Path, kind: str = 'smolvlm') -> dict[str, Any]:
    """Write a model of some kind."""
    model = KINDS[kind](folder)
    _liven(model)
    model.save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike, so that texts differ by image."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                # Small words, so that what layers make of the context counts; the smallest where
                # input and output share their weights and a word would bring itself forth.
                is_shared = model.config.tie_word_embeddings
                words = 0.01 if is_shared else 0.05
                parameter.normal_(std=words if 'embed_tokens' in name else 0.3)
