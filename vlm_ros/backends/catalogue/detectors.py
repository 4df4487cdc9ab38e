"""Open-vocabulary detectors."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_OWL = partial(
    ModelCard,
    backend='owl',
    tasks=('detect', 'ground', 'detect_like'),
    code_licence='Apache-2.0',
    weights_licence='Apache-2.0',
)
_OWLVIT = partial(_OWL, paper='2205.06230')
_OWLV2 = partial(_OWL, paper='2306.09683')

_GROUNDING_DINO = partial(
    ModelCard,
    backend='grounding_dino',
    tasks=('detect', 'ground'),
    code_licence='Apache-2.0',
    weights_licence='Apache-2.0',
)
_LLMDET = partial(
    _GROUNDING_DINO,
    paper='2501.18954',
    notes='loads as MM Grounding DINO; eager attention only; GPU advised',
)

DETECTORS = (
    _OWLVIT(
        model_id='google/owlvit-base-patch32',
        architecture='OWL-ViT B/32',
        parameters_m=153,
        notes='the fastest of its kind; texts are encoded once',
    ),
    _OWLVIT(
        model_id='google/owlvit-base-patch16',
        architecture='OWL-ViT B/16',
        parameters_m=153,
        notes='finer than B/32: 2304 patches of an image against 576',
    ),
    _OWLVIT(
        model_id='google/owlvit-large-patch14',
        architecture='OWL-ViT L/14',
        parameters_m=434,
        notes='GPU advised: 3600 patches of an image',
    ),
    _OWLV2(
        model_id='google/owlv2-base-patch16-ensemble',
        architecture='OWLv2 B/16',
        parameters_m=155,
        notes='better boxes than OWL-ViT; 3600 patches of an image are slow on a CPU',
    ),
    _OWLV2(
        model_id='google/owlv2-large-patch14-ensemble',
        architecture='OWLv2 L/14',
        parameters_m=438,
        notes='GPU advised: 5184 patches of an image',
    ),
    _GROUNDING_DINO(
        model_id='IDEA-Research/grounding-dino-tiny',
        architecture='Grounding DINO, Swin-T',
        parameters_m=172,
        paper='2303.05499',
        notes='text and image are fused, so texts are not cached; eager attention only',
    ),
    _GROUNDING_DINO(
        model_id='IDEA-Research/grounding-dino-base',
        architecture='Grounding DINO, Swin-B',
        parameters_m=233,
        paper='2303.05499',
        notes='GPU advised; eager attention only',
    ),
    _GROUNDING_DINO(
        model_id='openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det',
        architecture='MM Grounding DINO, Swin-T',
        parameters_m=173,
        paper='2401.02361',
        notes='same graph as Grounding DINO, better weights; eager attention only',
    ),
    _LLMDET(
        model_id='iSEE-Laboratory/llmdet_tiny', architecture='LLMDet, Swin-T', parameters_m=173
    ),
    _LLMDET(
        model_id='iSEE-Laboratory/llmdet_base', architecture='LLMDet, Swin-B', parameters_m=233
    ),
    _LLMDET(
        model_id='iSEE-Laboratory/llmdet_large', architecture='LLMDet, Swin-L', parameters_m=344
    ),
    ModelCard(
        model_id='omlab/omdet-turbo-swin-tiny-hf',
        backend='omdet_turbo',
        architecture='OmDet-Turbo, Swin-T',
        tasks=('detect', 'ground'),
        parameters_m=115,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2403.06892',
        notes='needs timm; keeps the texts it has seen; eager attention only',
    ),
)
