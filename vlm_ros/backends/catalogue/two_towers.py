"""Contrastive models: one tower for images, one for texts, one space."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_TASKS = ('classify', 'encode_images', 'encode_texts', 'match_regions', 'detect_like')
_SIGMOID_TASKS = (*_TASKS, 'match')
"""Of models that were trained to score each text by itself."""

_CLIP = partial(ModelCard, backend='clip', tasks=_TASKS)
_METACLIP_2 = partial(
    _CLIP,
    code_licence='CC-BY-NC-4.0',
    weights_licence='CC-BY-NC-4.0',
    paper='2507.22062',
    terms='not for commercial use',
)
_OPEN_CLIP = partial(
    ModelCard, backend='open_clip', tasks=_TASKS, notes='needs open_clip and timm'
)

TWO_TOWERS = (
    _CLIP(
        model_id='google/siglip2-base-patch16-224',
        tasks=_SIGMOID_TASKS,
        architecture='SigLIP 2 B/16',
        revision='75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2',
        safetensors=True,
        parameters_m=375.2,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2502.14786',
        notes='many languages; scores each name by itself',
    ),
    _CLIP(
        model_id='google/siglip-base-patch16-224',
        tasks=_SIGMOID_TASKS,
        architecture='SigLIP B/16',
        revision='7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed',
        safetensors=True,
        parameters_m=203.2,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2303.15343',
        notes='English; scores each name by itself',
    ),
    _CLIP(
        model_id='openai/clip-vit-base-patch32',
        architecture='CLIP ViT-B/32',
        # Main has pickled weights only; this commit is a conversion of them.
        revision='d15b5f29721ca72dac15f8526b284be910de18be',
        safetensors=True,
        parameters_m=151.3,
        code_licence='MIT',
        weights_licence='not stated',
        paper='2103.00020',
        terms="its authors' model card calls any deployed use out of scope",
        notes='the commit is a conversion beside main, whose weights are pickled',
    ),
    _CLIP(
        model_id='kakaobrain/align-base',
        architecture='ALIGN, EfficientNet-B7',
        revision='e96a37facc7b1f59090ece82293226b817afd6ba',
        parameters_m=172.1,
        code_licence='Apache-2.0',
        weights_licence='not stated',
        paper='2102.05918',
        terms='no licence of the weights was found: ask before you use them',
        notes='trained by others than its authors, on COYO; eager attention only',
    ),
    _CLIP(
        model_id='facebook/flava-full',
        architecture='FLAVA',
        parameters_m=241.4,
        code_licence='BSD-3-Clause',
        weights_licence='BSD-3-Clause',
        paper='2112.04482',
        notes='eager attention only',
    ),
    _METACLIP_2(
        model_id='facebook/metaclip-2-worldwide-b32',
        architecture='MetaCLIP 2 B/32',
        notes='many languages',
    ),
    _METACLIP_2(
        model_id='facebook/metaclip-2-worldwide-huge-quickgelu',
        architecture='MetaCLIP 2 H/14',
        notes='many languages; needs a GPU',
    ),
    _OPEN_CLIP(
        model_id='laion/CLIP-ViT-B-32-laion2B-s34B-b79K',
        architecture='CLIP ViT-B/32',
        revision='1a25a446712ba5ee05982a381eed697ef9b435cf',
        safetensors=True,
        parameters_m=151.3,
        code_licence='MIT',
        weights_licence='MIT',
        paper='2212.07143',
        notes='needs open_clip; English',
    ),
    _OPEN_CLIP(
        model_id='laion/mscoco_finetuned_CoCa-ViT-B-32-laion2B-s13B-b90k',
        architecture='CoCa ViT-B/32',
        tasks=(*_TASKS, 'caption'),
        parameters_m=253.6,
        code_licence='MIT',
        weights_licence='MIT',
        paper='2205.01917',
        notes='needs open_clip; its captions are tuned on COCO',
    ),
    _OPEN_CLIP(
        model_id='timm/ViT-B-16-SigLIP2',
        tasks=_SIGMOID_TASKS,
        architecture='SigLIP 2 B/16',
        revision='eee10eff6dd8cabae2d7f379d4e8cfcd352030aa',
        safetensors=True,
        parameters_m=375.2,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2502.14786',
    ),
    _OPEN_CLIP(
        model_id='timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k',
        architecture='EVA-02-CLIP B/16',
        parameters_m=149.7,
        code_licence='MIT',
        weights_licence='MIT',
        paper='2303.15389',
    ),
    _OPEN_CLIP(
        model_id='timm/MobileCLIP2-S0-OpenCLIP',
        architecture='MobileCLIP2-S0',
        revision='095906d28bf54d7584dc411e8ffe448f34289e05',
        safetensors=True,
        parameters_m=74.8,
        code_licence='MIT',
        weights_licence='Apple ML Research License (apple-amlr)',
        paper='2508.20691',
        terms='for research, not for commercial use',
    ),
    _OPEN_CLIP(
        model_id='timm/PE-Core-B-16',
        architecture='PE-Core B/16',
        revision='0038414f37721c5eafc1a5e0da802d291c909de3',
        parameters_m=447.7,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2504.13181',
    ),
    _OPEN_CLIP(
        model_id='timm/PE-Core-L-14-336',
        architecture='PE-Core L/14',
        revision='8eff41b3f687e50a323662c2dda5eb3588c6dd35',
        safetensors=True,
        parameters_m=671.1,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2504.13181',
        notes='needs open_clip, timm and a GPU',
    ),
)
