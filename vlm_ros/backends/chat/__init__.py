"""Instruction-tuned vision-language models: one conversation, one image or several, one question.

One module for every model that transformers loads as an image-text-to-text model and that has a
chat template, and for PaliGemma, which has a task prefix instead.
"""

# Video processors need torchvision, which has to be imported this way first.
from vlm_ros.backends import families  # noqa: F401 - imported for what it does
from vlm_ros.backends.chat.backend import ChatBackend
from vlm_ros.backends.chat.loading import load_chat

__all__ = ['ChatBackend', 'load_chat']
