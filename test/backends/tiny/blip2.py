"""BLIP-2 with OPT, InstructBLIP with T5, and BLIP-2's matching head."""

from pathlib import Path
from typing import Any

from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    Blip2Processor,
    BlipImageProcessor,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
)

from tiny._lively import enliven
from tiny._trained import bert_tokenizer, gpt2_tokenizer, t5_tokenizer

SIDE_PX = 32
QUERIES = 4
HEADS = {
    'opt': Blip2ForConditionalGeneration,
    't5': InstructBlipForConditionalGeneration,
    'match': Blip2ForImageTextRetrieval,
}
SMALL = {'hidden_size': 32, 'intermediate_size': 64, 'num_hidden_layers': 2}


def save(folder: Path, head: str = 'opt') -> dict[str, Any]:
    """Write a model of 4 patches."""
    reader = bert_tokenizer()
    tokenizer = {'opt': gpt2_tokenizer, 't5': t5_tokenizer, 'match': bert_tokenizer}[head]()
    images = BlipImageProcessor(size={'height': SIDE_PX, 'width': SIDE_PX})
    if head == 't5':
        processor = InstructBlipProcessor(images, tokenizer, reader, num_query_tokens=QUERIES)
    else:
        processor = Blip2Processor(images, tokenizer, num_query_tokens=QUERIES)
    kind = InstructBlipConfig if head == 't5' else Blip2Config
    model = HEADS[head](
        kind(
            text_config=_words(head, tokenizer),
            vision_config={
                **SMALL,
                'num_attention_heads': 2,
                'image_size': SIDE_PX,
                'patch_size': 16,
            },
            qformer_config={
                **SMALL,
                'vocab_size': len(reader) + 1,  # the token for an image
                'num_attention_heads': 2,
                'cross_attention_frequency': 1,
                'max_position_embeddings': 64,
                'use_qformer_text_input': head == 'match',
            },
            num_query_tokens=QUERIES,
            image_text_hidden_size=16,
            image_token_index=tokenizer.convert_tokens_to_ids('<image>'),
        )
    )
    enliven(model, words=0.25)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return {'dtype': 'float32', 'max_new_tokens': 8, 'threads': 1}


def _words(head: str, tokenizer: Any) -> dict[str, Any]:
    special = {
        'vocab_size': len(tokenizer),
        'pad_token_id': tokenizer.pad_token_id,
        'eos_token_id': tokenizer.eos_token_id,
    }
    if head == 't5':
        return {
            'model_type': 't5',
            'd_model': 32,
            'd_kv': 16,
            'd_ff': 64,
            'num_layers': 1,
            'num_heads': 2,
            'decoder_start_token_id': tokenizer.pad_token_id,
            **special,
        }
    return {
        'model_type': 'opt',
        'hidden_size': 32,
        'ffn_dim': 64,
        'num_hidden_layers': 2,
        'num_attention_heads': 2,
        'word_embed_proj_dim': 32,
        'max_position_embeddings': 64,
        'bos_token_id': tokenizer.bos_token_id,
        **special,
    }
