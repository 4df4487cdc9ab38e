"""Models whose results are masks."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_SAM_2_1 = partial(
    ModelCard,
    backend='sam',
    tasks=('segment',),
    safetensors=True,
    code_licence='Apache-2.0',
    weights_licence='Apache-2.0',
    paper='2408.00714',
    notes='needs torchvision',
)

SEGMENTERS = (
    ModelCard(
        model_id='CIDAS/clipseg-rd64-refined',
        backend='clipseg',
        architecture='CLIPSeg, CLIP B/16',
        tasks=('segment_phrases',),
        revision='999e0328d9e10b484360c477313983f9afdd7050',
        safetensors=True,
        parameters_m=150.7,
        code_licence='MIT',
        weights_licence='Apache-2.0',
        paper='2112.10003',
        notes='coarse masks of 352 x 352 pixels, one for each name',
    ),
    _SAM_2_1(
        model_id='facebook/sam2.1-hiera-tiny',
        architecture='SAM 2.1, Hiera-T',
        revision='de431c4043854a71d8101e17995dfe596bf101a5',
        parameters_m=38.9,
    ),
    _SAM_2_1(
        model_id='facebook/sam2.1-hiera-large',
        architecture='SAM 2.1, Hiera-L',
        revision='665f8e2ad61cf5f53d65644ff27c8ee525124610',
        parameters_m=224.4,
    ),
    ModelCard(
        model_id='facebook/sam-vit-base',
        backend='sam',
        architecture='SAM, ViT-B',
        tasks=('segment',),
        revision='70c1a07f894ebb5b307fd9eaaee97b9dfc16068f',
        parameters_m=93.7,
        code_licence='Apache-2.0',
        weights_licence='Apache-2.0',
        paper='2304.02643',
        notes='every image at 1024 x 1024; slower than SAM 2.1',
    ),
    ModelCard(
        model_id='facebook/sam3',
        backend='sam',
        architecture='SAM 3',
        tasks=('detect', 'segment_phrases'),
        revision='3c879f39826c281e95690f02c7821c4de09afae7',
        parameters_m=840,
        code_licence='SAM License',
        weights_licence='SAM License',
        paper='2511.16719',
        terms='gated: accept the SAM License on its page, then download with your account',
        notes='needs torchvision and a GPU',
    ),
)
