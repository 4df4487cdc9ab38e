"""Contrastive models: one tower for images, one for texts, one space."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_TASKS = ('classify', 'encode_images', 'encode_texts', 'match_regions')

_CLIP = partial(ModelCard, backend='clip', tasks=_TASKS)
_OPEN_CLIP = partial(
    ModelCard,
    backend='open_clip',
    tasks=_TASKS,
    notes='needs open_clip and timm',
)
_SIGLIP2 = partial(
    _CLIP, code_licence='Apache-2.0', weights_licence='Apache-2.0', paper='2502.14786'
)

TWO_TOWERS = (
    _SIGLIP2(
        model_id='google/siglip2-base-patch16-224',
        architecture='SigLIP 2 B/16',
        parameters_m=375,
        notes='many languages; scores each name by itself',
    ),
    _CLIP(
        model_id='openai/clip-vit-base-patch32',
        architecture='CLIP ViT-B/32',
        parameters_m=151,
        code_licence='MIT',
        weights_licence='MIT',
        paper='2103.00020',
        terms="the authors' model card calls any deployed use out of scope",
        notes='no safetensors on its main branch, only in an unmerged conversion',
    ),
    _CLIP(
        model_id='kakaobrain/align-base',
        architecture='ALIGN-base, EfficientNet-B7',
        parameters_m=172,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2102.05918',
        notes='trained on COYO by others than the authors; eager attention only',
    ),
    _CLIP(
        model_id='facebook/flava-full',
        architecture='FLAVA',
        parameters_m=241,
        code_licence='BSD-3-Clause',
        weights_licence='BSD-3-Clause',
        paper='2112.04482',
        notes='eager attention only',
    ),
    _CLIP(
        model_id='google/siglip-base-patch16-224',
        architecture='SigLIP B/16',
        parameters_m=203,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2303.15343',
        notes='English; scores each name by itself',
    ),
    _CLIP(
        model_id='facebook/metaclip-2-worldwide-huge-quickgelu',
        architecture='MetaCLIP 2 H/14',
        code_licence='CC-BY-NC-4.0',
        weights_licence='CC-BY-NC-4.0',
        paper='2507.22062',
        terms='not for commercial use',
        notes='many languages; GPU advised',
    ),
    _OPEN_CLIP(
        model_id='laion/CLIP-ViT-B-32-laion2B-s34B-b79K',
        architecture='CLIP ViT-B/32',
        parameters_m=151,
        code_licence='MIT',
        weights_licence='MIT',
        paper='2212.07143',
    ),
)
