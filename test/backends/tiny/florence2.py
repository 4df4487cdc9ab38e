"""Florence-2, whose thousand location tokens outnumber the words."""

from pathlib import Path
from typing import Any

from transformers import (
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
)

from tiny._lively import enliven
from tiny._trained import bart_tokenizer

SIDE_PX = 32
PATCHES = 16
WIDTH = 32


def save(folder: Path) -> dict[str, Any]:
    """Write a model of 16 patches."""
    tokenizer = bart_tokenizer(extra_special_tokens={'image_token': '<image>'})
    tokenizer.add_tokens([f'<loc_{index}>' for index in range(1000)], special_tokens=True)
    config = Florence2Config(
        text_config={
            'model_type': 'bart',
            'vocab_size': len(tokenizer),
            'd_model': WIDTH,
            'encoder_layers': 1,
            'decoder_layers': 2,
            'encoder_ffn_dim': 64,
            'decoder_ffn_dim': 64,
            'encoder_attention_heads': 2,
            'decoder_attention_heads': 2,
            'max_position_embeddings': 64,
            'bos_token_id': tokenizer.bos_token_id,
            'pad_token_id': tokenizer.pad_token_id,
            'eos_token_id': tokenizer.eos_token_id,
            'decoder_start_token_id': tokenizer.eos_token_id,
        },
        vision_config={
            'depths': (1, 1),
            'patch_size': (7, 3),
            'patch_stride': (4, 2),
            'patch_padding': (3, 1),
            'patch_prenorm': (False, True),
            'embed_dim': (16, 32),
            'num_heads': (2, 2),
            'num_groups': (2, 2),
            'window_size': 2,
            'projection_dim': WIDTH,
        },
        image_token_id=tokenizer.image_token_id,
    )
    model = Florence2ForConditionalGeneration(config)
    enliven(model, words=0.2)
    # As the published models have them, so that these ways of the library count too.
    model.generation_config.no_repeat_ngram_size = 3
    model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    model.generation_config.forced_eos_token_id = tokenizer.eos_token_id
    model.generation_config.num_beams = 3
    model.save_pretrained(folder)
    size = {'height': SIDE_PX, 'width': SIDE_PX}
    images = CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)
    images.image_seq_length = PATCHES + 1
    Florence2Processor(
        images,
        tokenizer,
        post_processor_config={
            'pure_text': {},
            'description_with_bboxes': {},
            'description_with_bboxes_or_polygons': {},
            'phrase_grounding': {'banned_grounding_tokens': ['it', 'the image']},
        },
    ).save_pretrained(folder)
    return {'dtype': 'float32', 'max_new_tokens': 12, 'threads': 1}
