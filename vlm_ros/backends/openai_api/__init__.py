"""Models behind an OpenAI-compatible API: OpenAI's own, or what a server near the robot serves.

vLLM, SGLang, Ollama, llama.cpp's server and `transformers serve` all speak it. Nothing of the
model is in this process, so there are no weights here and no torch.
"""

from vlm_ros.backends.openai_api.backend import OpenAiApiBackend

__all__ = ['OpenAiApiBackend']
