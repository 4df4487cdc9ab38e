"""Instruction-tuned vision-language models: one conversation, one image or several, one question.

One module for every model that transformers loads as an image-text-to-text model and that has a
chat template, and for PaliGemma, which has a task prefix instead.
"""

from vlm_ros.backends.chat.backend import ChatBackend
from vlm_ros.backends.chat.loading import load_chat

__all__ = ['ChatBackend', 'load_chat']
