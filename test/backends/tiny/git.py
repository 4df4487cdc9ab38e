"""GIT for images, and for videos of three frames."""

from pathlib import Path
from typing import Any

from transformers import CLIPImageProcessor, GitConfig, GitForCausalLM, GitProcessor

from tiny._lively import enliven
from tiny._trained import bert_tokenizer

SIDE_PX = 32
FRAMES = 3


def save(folder: Path, *, frames: int | None = FRAMES) -> dict[str, Any]:
    """Write a model of 4 patches a frame; None frames for images."""
    tokenizer = bert_tokenizer()
    config = GitConfig(
        vision_config={
            'hidden_size': 32,
            'intermediate_size': 64,
            'num_hidden_layers': 2,
            'num_attention_heads': 2,
            'image_size': SIDE_PX,
            'patch_size': 16,
        },
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        num_image_with_embedding=frames,
    )
    model = GitForCausalLM(config)
    enliven(model, places=1.0)
    model.save_pretrained(folder)
    images = CLIPImageProcessor(
        size={'shortest_edge': SIDE_PX}, crop_size={'height': SIDE_PX, 'width': SIDE_PX}
    )
    GitProcessor(images, tokenizer).save_pretrained(folder)
    return {'dtype': 'float32', 'max_new_tokens': 6, 'threads': 1}
