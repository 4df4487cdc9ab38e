"""From the files of an open_clip model to networks and tokenizer, and never through the network.

`open_clip.create_model` and `get_tokenizer` do the same, and would besides load pickled weights,
fetch towers from the hub, and set up the logging of the whole process.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transform import image_transform_v2, PreprocessCfg
from PIL import Image as PillowImage
import torch

from vlm_ros.backends.engine.checkpoint import Checkpoint
from vlm_ros.errors import BackendError, WeightsError

CONFIG = 'open_clip_config.json'
WEIGHTS = (
    'open_clip_model.safetensors',
    'open_clip_pytorch_model.safetensors',
    'model.safetensors',
)
"""In the order in which the library itself looks for them."""
INTERPOLATIONS = {'bilinear': 2, 'bicubic': 3, 'random': 3}
"""Pillow's numbers; `random` is of training, and means the other one here."""


class Preprocessing:
    """Describes a model's preprocessing as an image processor of transformers does.

    Args:
        config: `preprocess_cfg` of the model.
        model: Knows the size of its input.

    Raises:
        BackendError: It pads images, which no published model does.
    """

    do_normalize = True

    def __init__(self, config: Mapping[str, Any], model: Any) -> None:
        known = {
            key: value
            for key, value in config.items()
            if hasattr(PreprocessCfg, key) and value is not None
        }
        settings = PreprocessCfg(**{**known, 'size': model.visual.image_size})
        height, width = (
            settings.size if isinstance(settings.size, tuple | list) else (settings.size,) * 2
        )
        squashes = settings.resize_mode == 'squash'
        if not squashes and (settings.resize_mode != 'shortest' or height != width):
            raise BackendError(
                f'images of {width}x{height} by resize_mode={settings.resize_mode!r} cannot be '
                'made here; choose another model'
            )
        self.crop_size = {'height': height, 'width': width}
        self.size = self.crop_size if squashes else {'shortest_edge': height}
        self.do_center_crop = not squashes
        self.resample = INTERPOLATIONS[settings.interpolation]
        self.image_mean, self.image_std = _triple(settings.mean), _triple(settings.std)
        self._transform = image_transform_v2(settings, is_train=False)

    def __call__(self, *, images: Sequence[torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """Return what open_clip itself makes of images `(3, H, W)` uint8."""
        pictures = [
            PillowImage.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
            for image in images
        ]
        return {'pixel_values': torch.stack([self._transform(each) for each in pictures])}


def make_model(config: Mapping[str, Any], checkpoint: Checkpoint) -> Any:
    """Build a model and fill in its weights.

    Args:
        config: `model_cfg` of the model.
        checkpoint: Where the weights are.

    Raises:
        WeightsError: They do not fit, or are damaged.
    """
    settings = dict(config)
    is_custom = settings.pop('custom_text', False)
    kind = open_clip.CustomTextCLIP if is_custom else open_clip.CLIP
    if is_custom and 'multimodal_cfg' in settings:
        kind = open_clip.CoCa
    if 'timm_model_name' in settings['vision_cfg']:
        vision = {**settings['vision_cfg'], 'timm_model_pretrained': False}
        settings['vision_cfg'] = vision
    try:
        model = kind(**settings)
        open_clip.load_checkpoint(model, str(_weights(checkpoint)), strict=True)
    except WeightsError:
        raise
    except Exception as error:  # the libraries and the file format raise many kinds
        reason = ' '.join(str(error).split())[:300]
        raise WeightsError(f'{checkpoint.name} cannot be loaded: {reason}') from error
    return model.eval()


def make_tokenizer(text_config: Mapping[str, Any], checkpoint: Checkpoint) -> Any:
    """Return the tokenizer that open_clip has for a model: CLIP's, or the one beside the weights.

    Raises:
        WeightsError: Its files are missing or damaged.
    """
    length = int(text_config.get('context_length', 77))
    options = dict(text_config.get('tokenizer_kwargs') or {})
    # For training: how to shorten a text, one way through a download. Here none is too long.
    options.pop('reduction_mask', None)
    if not text_config.get('hf_tokenizer_name'):
        return SimpleTokenizer(context_length=length, **options)
    try:
        return HFTokenizer(
            checkpoint.folder,
            context_length=length,
            tokenizer_mode=text_config.get('tokenizer_mode'),
            **{**options, 'local_files_only': True, 'trust_remote_code': False},
        )
    except Exception as error:  # the library raises many kinds
        reason = ' '.join(str(error).split())[:300]
        raise WeightsError(
            f'the tokenizer of {checkpoint.name} cannot be loaded: {reason}'
        ) from error


def model_config(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """Return the `model_cfg` of a model that needs no files but its own.

    Raises:
        WeightsError: There is none.
        BackendError: A part of the model would come from the hub.
    """
    config = checkpoint.config.get('model_cfg')
    if not isinstance(config, dict) or not {'embed_dim', 'vision_cfg', 'text_cfg'} <= set(config):
        raise WeightsError(f'the {CONFIG} of {checkpoint.name} describes no model of open_clip')
    tower = config['text_cfg'].get('hf_model_name')
    if tower:
        raise BackendError(
            f'{checkpoint.name} has the text tower of {tower}, whose settings open_clip takes '
            'from the hub at every load; choose a model with a text tower of its own'
        )
    if ':' in str(config['vision_cfg'].get('timm_model_name', '')):
        raise BackendError(
            f'the vision tower of {checkpoint.name} is to come from the hub; choose another model'
        )
    return config


def _weights(checkpoint: Checkpoint) -> Path:
    for name in WEIGHTS:
        if (checkpoint.folder / name).is_file():
            return checkpoint.folder / name
    raise WeightsError(f'{checkpoint.name} has none of the files {", ".join(WEIGHTS)}')


def _triple(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (float(value),) * 3
