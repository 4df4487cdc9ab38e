"""From the name of a chat model to a backend that can do what the model was trained for."""

from vlm_ros.backends.chat.backend import ChatBackend, FramesChatBackend, Options
from vlm_ros.backends.chat.boxes import BoxesChatBackend, BoxesFramesChatBackend, SPOKEN_BY
from vlm_ros.backends.engine.checkpoint import open_checkpoint

ONE_IMAGE = ('llava', 'llava_next', 'paligemma')
"""Kinds that were trained on one image a conversation."""
SEVERAL_IMAGES = (
    'gemma3',
    'gemma4',
    'idefics3',
    'internvl',
    'llava_onevision',
    'qwen2_5_vl',
    'qwen2_vl',
    'qwen3_5',
    'qwen3_vl',
    'smolvlm',
)
KINDS = (*ONE_IMAGE, *SEVERAL_IMAGES)


def load_chat(
    *,
    device: str = 'auto',
    model: str = '',
    dtype: str = 'auto',
    threads: int = 0,
    max_tiles: int = 0,
    max_pixels: int = 0,
    caption_tokens: int = 64,
    answer_tokens: int = 32,
    box_tokens: int = 512,
    calibration_temperature: float = 1.0,
    calibrate_on_blank: bool = False,
    unsure_margin: float = 0.0,
) -> ChatBackend:
    """Load a chat model; which tasks the backend has depends on the kind of model.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of one of `KINDS`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        threads: CPU threads; 0 leaves them as they are.
        max_tiles: How many tiles an image makes at most, for kinds that cut images into tiles; 0
            for the kind's default, see `chat.limits`.
        max_pixels: How many pixels an image is reduced to, for the Qwen models; 0 likewise.
        caption_tokens: A caption is cut off there.
        answer_tokens: An answer is cut off there.
        box_tokens: What is written about the boxes of 20 names is cut off there.
        calibration_temperature: By which the scores of closed questions are divided, above 0. At
            1 they are the model's own, which nobody has calibrated.
        calibrate_on_blank: Whether what the words alone suggest is taken out of the scores of
            closed questions, with a picture that shows nothing; one more forward for each wording
            that is new.
        unsure_margin: Closed questions whose two best answers are closer than this, in
            probability, are UNSURE; in [0, 1].

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used, or it is a model of another kind.
        DeviceError: This machine has no such device.
    """
    options = Options(
        max_tiles,
        max_pixels,
        caption_tokens,
        answer_tokens,
        box_tokens,
        calibration_temperature,
        calibrate_on_blank,
        unsure_margin,
    )
    checkpoint = open_checkpoint(model, backend='chat', model_types=KINDS)
    made: type[ChatBackend] = FramesChatBackend
    if checkpoint.model_type in SPOKEN_BY:
        made = BoxesFramesChatBackend
    if checkpoint.model_type in ONE_IMAGE:
        made = BoxesChatBackend if checkpoint.model_type in SPOKEN_BY else ChatBackend
    return made(checkpoint, device=device, dtype=dtype, threads=threads, options=options)
