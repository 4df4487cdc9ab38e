"""Captioners and other models that write about one image."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_BLIP = partial(
    ModelCard,
    backend='blip',
    architecture='BLIP, ViT-B',
    code_licence='BSD-3-Clause',
    weights_licence='BSD-3-Clause',
    paper='2201.12086',
)
_GIT = partial(
    ModelCard,
    backend='git',
    architecture='GIT-base',
    parameters_m=176.6,
    code_licence='MIT',
    weights_licence='MIT',
    paper='2205.14100',
)
_BLIP_2 = partial(ModelCard, backend='blip2', code_licence='BSD-3-Clause', weights_licence='MIT')
_FLORENCE_2 = partial(
    ModelCard,
    backend='florence2',
    tasks=('detect', 'ground', 'caption'),
    code_licence='MIT',
    weights_licence='MIT',
    paper='2311.06242',
    notes='boxes in 1000 bins of each side; the microsoft/* repositories need remote code',
)
_FLORENCE_2_B = partial(_FLORENCE_2, architecture='Florence-2-B', parameters_m=232)
_FLORENCE_2_L = partial(_FLORENCE_2, architecture='Florence-2-L', parameters_m=771)

GENERATORS = (
    _BLIP(
        model_id='Salesforce/blip-image-captioning-base',
        tasks=('caption',),
        # Main has pickled weights only; this commit is a conversion of them.
        revision='4d828b6083e66786427fc15ccba5d7b8ff028a0c',
        safetensors=True,
        parameters_m=224,
        notes='the commit is a conversion beside main, whose weights are pickled; eager attention',
    ),
    _BLIP(
        model_id='Salesforce/blip-vqa-base',
        tasks=('answer',),
        revision='787b3d35d57e49572baabd22884b3d5a05acf072',
        safetensors=True,
        parameters_m=361.2,
        notes='eager attention only',
    ),
    _BLIP(
        model_id='Salesforce/blip-itm-base-coco',
        tasks=('match',),
        parameters_m=223.7,
        notes='eager attention only',
    ),
    _GIT(model_id='microsoft/git-base-coco', tasks=('caption',), notes='eager attention only'),
    _GIT(
        model_id='microsoft/git-base-textvqa',
        tasks=('answer',),
        notes='questions about text in the image; eager attention only',
    ),
    _BLIP_2(
        model_id='Salesforce/blip2-flan-t5-xl',
        architecture='BLIP-2, ViT-g, Flan-T5-XL',
        tasks=('caption', 'answer'),
        revision='0eb0d3b46c14c1f8c7680bca2693baafdb90bb28',
        parameters_m=3942,
        paper='2301.12597',
        notes='needs a GPU',
    ),
    _BLIP_2(
        model_id='Salesforce/blip2-opt-2.7b',
        architecture='BLIP-2, ViT-g, OPT-2.7B',
        tasks=('caption', 'answer'),
        revision='59a1ef6c1e5117b3f65523d1c6066825bcf315e3',
        safetensors=True,
        parameters_m=3745,
        paper='2301.12597',
        terms='its language model OPT is licensed for research, not for commercial use',
        notes='needs a GPU',
    ),
    _BLIP_2(
        model_id='Salesforce/blip2-itm-vit-g',
        architecture='BLIP-2, ViT-g',
        tasks=('match',),
        parameters_m=1173,
        paper='2301.12597',
        notes='needs a GPU',
    ),
    _BLIP_2(
        model_id='Salesforce/instructblip-flan-t5-xl',
        architecture='InstructBLIP, ViT-g, Flan-T5-XL',
        tasks=('caption', 'answer'),
        parameters_m=4023,
        paper='2305.06500',
        notes='needs a GPU',
    ),
    ModelCard(
        model_id='microsoft/kosmos-2-patch14-224',
        backend='kosmos2',
        architecture='Kosmos-2',
        tasks=('ground', 'caption', 'answer'),
        revision='e91cfbcb4ce051b6a55bfb5f96165a3bbf5eb82c',
        parameters_m=1664.5,
        code_licence='MIT',
        weights_licence='MIT',
        paper='2306.14824',
        notes='boxes on a grid of 32 x 32; needs a GPU',
    ),
    _FLORENCE_2_B(
        model_id='florence-community/Florence-2-base',
        revision='00921df66db728a9ceb750f5eca43e5c203a2051',
        safetensors=True,
    ),
    _FLORENCE_2_L(
        model_id='florence-community/Florence-2-large',
        revision='4271c66b88cdbc05735372ec13b2360108de5317',
        safetensors=True,
    ),
    _FLORENCE_2_B(
        model_id='florence-community/Florence-2-base-ft',
        revision='0b03b6f15a4a211370fb204aee4e7dd48887ea37',
        notes='fine-tuned on many tasks at once; boxes in 1000 bins of each side',
    ),
    _FLORENCE_2_L(
        model_id='florence-community/Florence-2-large-ft',
        revision='26b734a54fdfbf9c398351eedfabb7f27fc470b7',
        safetensors=True,
        notes='fine-tuned on many tasks at once; boxes in 1000 bins of each side',
    ),
)
