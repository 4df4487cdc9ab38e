"""Open-vocabulary detectors."""

from functools import partial

from vlm_ros.backends.catalogue.card import memory_to_run_mb, ModelCard

# Measured in float32, with random weights at full size: what the fusion of an image of 800 x 1333
# pixels needs in Swin-T and Swin-B alike, and what OWLv2 B/16 at 960 x 960 needs.
_FUSION_MB = 1650
_OWLV2_B_MB = 370

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
    notes='loads as MM Grounding DINO; needs a GPU; eager attention only',
)

DETECTORS = (
    _OWLVIT(
        model_id='google/owlvit-base-patch32',
        architecture='OWL-ViT B/32',
        revision='cbc355fb364588351c5d51c7f74465e8e7ec6f72',
        safetensors=True,
        parameters_m=153.2,
        notes='the fastest of its kind; names are encoded once; 576 patches of an image',
    ),
    _OWLVIT(
        model_id='google/owlvit-base-patch16',
        architecture='OWL-ViT B/16',
        parameters_m=152.8,
        notes='finer than B/32: 2304 patches of an image',
    ),
    _OWLVIT(
        model_id='google/owlvit-large-patch14',
        architecture='OWL-ViT L/14',
        parameters_m=433.9,
        notes='needs a GPU: 3600 patches of an image',
    ),
    _OWLV2(
        model_id='google/owlv2-base-patch16-ensemble',
        architecture='OWLv2 B/16',
        revision='cfd3195ba4ea9592eec887ded089f4c08eff231d',
        safetensors=True,
        parameters_m=155.0,
        memory_mb=memory_to_run_mb(155.0, _OWLV2_B_MB),
        notes='better boxes than OWL-ViT; 3600 patches of an image are slow on a CPU',
    ),
    _OWLV2(
        model_id='google/owlv2-large-patch14-ensemble',
        architecture='OWLv2 L/14',
        parameters_m=437.6,
        notes='needs a GPU: 5184 patches of an image',
    ),
    _GROUNDING_DINO(
        model_id='IDEA-Research/grounding-dino-tiny',
        architecture='Grounding DINO, Swin-T',
        revision='a2bb814dd30d776dcf7e30523b00659f4f141c71',
        safetensors=True,
        parameters_m=172,
        memory_mb=memory_to_run_mb(172, _FUSION_MB),
        paper='2303.05499',
        notes='fuses text and image, so no names are kept; eager attention only',
    ),
    _GROUNDING_DINO(
        model_id='IDEA-Research/grounding-dino-base',
        architecture='Grounding DINO, Swin-B',
        revision='12bdfa3120f3e7ec7b434d90674b3396eccf88eb',
        safetensors=True,
        parameters_m=233,
        memory_mb=memory_to_run_mb(233, _FUSION_MB),
        paper='2303.05499',
        notes='needs a GPU; eager attention only',
    ),
    _GROUNDING_DINO(
        model_id='openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det',
        architecture='MM Grounding DINO, Swin-T',
        safetensors=True,
        parameters_m=173,
        memory_mb=memory_to_run_mb(173, _FUSION_MB),
        paper='2401.02361',
        notes='the graph of Grounding DINO with better weights; eager attention only',
    ),
    _LLMDET(
        model_id='iSEE-Laboratory/llmdet_tiny',
        architecture='LLMDet, Swin-T',
        revision='d05199165a19320a9236396e20fca0a5e065189c',
        parameters_m=173,
        memory_mb=memory_to_run_mb(173, _FUSION_MB),
    ),
    _LLMDET(
        model_id='iSEE-Laboratory/llmdet_base',
        architecture='LLMDet, Swin-B',
        parameters_m=233,
        memory_mb=memory_to_run_mb(233, _FUSION_MB),
    ),
    _LLMDET(
        model_id='iSEE-Laboratory/llmdet_large',
        architecture='LLMDet, Swin-L',
        revision='bec37f296f05b22f6c6b39bc05a6c611239f4e31',
        notes='7.5 GiB on a GPU, others measured; eager attention only',
        parameters_m=344,
        memory_mb=memory_to_run_mb(344, _FUSION_MB),
    ),
    ModelCard(
        model_id='omlab/omdet-turbo-swin-tiny-hf',
        backend='omdet_turbo',
        architecture='OmDet-Turbo, Swin-T',
        tasks=('detect', 'ground'),
        revision='7fe93cecfb770c4d76cf71163956221249cab566',
        safetensors=True,
        parameters_m=115.4,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2403.06892',
        notes='needs timm; keeps the names it has seen; eager attention only',
    ),
)
