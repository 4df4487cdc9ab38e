"""Instruction-tuned models that talk about one or more images."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_TALK = ('caption', 'answer')
_FRAMES = (*_TALK, 'caption_frames', 'answer_frames')

_CHAT = partial(ModelCard, backend='chat', code_licence='Apache-2.0', weights_licence='Apache-2.0')
_SMOLVLM2 = partial(_CHAT, tasks=_FRAMES, paper='2504.05299', notes='needs num2words, torchvision')

CHAT = (
    _SMOLVLM2(
        model_id='HuggingFaceTB/SmolVLM2-500M-Video-Instruct',
        architecture='SmolVLM2-500M',
        parameters_m=507,
    ),
    _SMOLVLM2(
        model_id='HuggingFaceTB/SmolVLM2-256M-Video-Instruct',
        architecture='SmolVLM2-256M',
        parameters_m=256,
    ),
    _SMOLVLM2(
        model_id='HuggingFaceTB/SmolVLM2-2.2B-Instruct',
        architecture='SmolVLM2-2.2B',
        parameters_m=2247,
    ),
)
