"""Captioners and other models that write about one image."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_BLIP = partial(
    ModelCard,
    backend='blip',
    code_licence='BSD-3-Clause',
    weights_licence='BSD-3-Clause',
    paper='2201.12086',
    notes='eager attention only',
)
_GIT = partial(
    ModelCard,
    backend='git',
    architecture='GIT-base',
    parameters_m=177,
    code_licence='MIT',
    weights_licence='MIT',
    paper='2205.14100',
)
_FLORENCE_2 = partial(
    ModelCard,
    backend='florence2',
    tasks=('detect', 'ground', 'caption'),
    code_licence='MIT',
    weights_licence='MIT',
    paper='2311.06242',
)

GENERATORS = (
    _BLIP(
        model_id='Salesforce/blip-image-captioning-base',
        architecture='BLIP, ViT-B',
        tasks=('caption',),
        parameters_m=247,
    ),
    _BLIP(
        model_id='Salesforce/blip-vqa-base',
        architecture='BLIP, ViT-B',
        tasks=('answer',),
        parameters_m=385,
    ),
    _BLIP(
        model_id='Salesforce/blip-itm-base-coco',
        architecture='BLIP, ViT-B',
        tasks=('match',),
        parameters_m=224,
    ),
    _GIT(
        model_id='microsoft/git-base-coco',
        tasks=('caption',),
        notes='eager attention only',
    ),
    _GIT(
        model_id='microsoft/git-base-textvqa',
        tasks=('answer',),
        notes='questions about text in the image; eager attention only',
    ),
    ModelCard(
        model_id='Salesforce/blip2-opt-2.7b',
        backend='blip2',
        architecture='BLIP-2, ViT-g, OPT-2.7B',
        tasks=('caption', 'answer'),
        parameters_m=3745,
        code_licence='BSD-3-Clause',
        weights_licence='MIT',
        paper='2301.12597',
        terms='its language model OPT is for research, not for commercial use',
        notes='GPU advised',
    ),
    ModelCard(
        model_id='Salesforce/blip2-itm-vit-g',
        backend='blip2',
        architecture='BLIP-2, ViT-g',
        tasks=('match',),
        parameters_m=1173,
        code_licence='BSD-3-Clause',
        weights_licence='MIT',
        paper='2301.12597',
        notes='GPU advised',
    ),
    ModelCard(
        model_id='Salesforce/instructblip-flan-t5-xl',
        backend='blip2',
        architecture='InstructBLIP, ViT-g, Flan-T5-XL',
        tasks=('caption', 'answer'),
        parameters_m=4023,
        code_licence='BSD-3-Clause',
        weights_licence='MIT',
        paper='2305.06500',
        notes='GPU advised',
    ),
    ModelCard(
        model_id='microsoft/kosmos-2-patch14-224',
        backend='kosmos2',
        architecture='Kosmos-2',
        tasks=('ground', 'caption', 'answer'),
        parameters_m=1665,
        code_licence='MIT',
        weights_licence='MIT',
        paper='2306.14824',
        notes='boxes are patches of a 32 x 32 grid; GPU advised',
    ),
    _FLORENCE_2(
        model_id='florence-community/Florence-2-base',
        architecture='Florence-2-B',
        parameters_m=232,
        notes='boxes in 1000 bins of each side; the microsoft/* repositories need remote code',
    ),
    _FLORENCE_2(
        model_id='florence-community/Florence-2-large',
        architecture='Florence-2-L',
        parameters_m=771,
        notes='boxes in 1000 bins of each side',
    ),
    _FLORENCE_2(
        model_id='florence-community/Florence-2-base-ft',
        architecture='Florence-2-B',
        parameters_m=232,
        notes='fine-tuned on many tasks at once; boxes in 1000 bins of each side',
    ),
    _FLORENCE_2(
        model_id='florence-community/Florence-2-large-ft',
        architecture='Florence-2-L',
        parameters_m=771,
        notes='fine-tuned on many tasks at once; boxes in 1000 bins of each side',
    ),
)
