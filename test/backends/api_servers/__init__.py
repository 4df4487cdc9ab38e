"""Servers that speak the API of OpenAI, for tests: a real one, and one that plays a script."""

import vlm_ros.backends.engine  # noqa: F401 - before transformers: it mends torchvision
