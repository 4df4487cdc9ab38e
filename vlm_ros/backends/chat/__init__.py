"""Instruction-tuned vision-language models: one conversation, one image or several, one question.

One module for every model that transformers loads as an image-text-to-text model and that has a
chat template, and for PaliGemma, which has a task prefix instead.
"""

# First, because it makes transformers importable; its own modules import transformers before it.
from vlm_ros.backends import engine  # noqa: F401
from vlm_ros.backends.chat.backend import ChatBackend
from vlm_ros.backends.chat.loading import load_chat

__all__ = ['ChatBackend', 'load_chat']
