"""Encoders that fuse an image and a text in one transformer."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_VILT = partial(
    ModelCard,
    backend='vilt',
    architecture='ViLT-B/32',
    code_licence='Apache-2.0',
    weights_licence='Apache-2.0',
    paper='2102.03334',
)
_BRIDGETOWER = partial(
    ModelCard,
    backend='bridgetower',
    tasks=('match',),
    code_licence='MIT',
    weights_licence='MIT',
    paper='2206.08657',
    notes='eager attention only',
)
_VISUAL_BERT = partial(
    ModelCard,
    backend='visual_bert',
    architecture='VisualBERT',
    code_licence='not stated',
    weights_licence='Apache-2.0',
    paper='1908.03557',
    notes='takes features of regions, which a detector that is not part of it has to bring',
)

FUSION = (
    _VILT(
        model_id='dandelin/vilt-b32-finetuned-vqa',
        tasks=('answer',),
        revision='d0a1f6ab88522427a7ae76ceb6e1e1e7b68a1d08',
        parameters_m=117.6,
        notes='3129 answers of VQAv2; public scripts load its pickled weights; eager attention',
    ),
    _VILT(
        model_id='dandelin/vilt-b32-finetuned-coco',
        tasks=('match',),
        parameters_m=111.6,
        notes='eager attention only',
    ),
    _VILT(
        model_id='dandelin/vilt-b32-finetuned-nlvr2',
        tasks=('verify',),
        parameters_m=114.0,
        notes='statements about a pair of images; eager attention only',
    ),
    _BRIDGETOWER(
        model_id='BridgeTower/bridgetower-base-itm-mlm',
        architecture='BridgeTower B/16',
        parameters_m=326,
    ),
    _BRIDGETOWER(
        model_id='BridgeTower/bridgetower-large-itm-mlm-itc',
        architecture='BridgeTower L/14',
        parameters_m=865,
    ),
    _VISUAL_BERT(model_id='uclanlp/visualbert-vqa', tasks=('answer',), parameters_m=113.9),
    _VISUAL_BERT(model_id='uclanlp/visualbert-nlvr2', tasks=('verify',), parameters_m=110.7),
)
