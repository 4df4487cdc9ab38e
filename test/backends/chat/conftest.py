from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from tiny import chat as tiny_chat
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from vlm_ros import backends
from vlm_ros.tasks import Ticket

AS_DEFAULT = {
    'smolvlm': {'do_image_splitting': False},
    'idefics3': {'do_image_splitting': False},
    'internvl': {'crop_to_patches': False},
}
"""What the library has to be told to look at an image as this package does by default."""

SHORT = {'caption_tokens': 10, 'answer_tokens': 8, 'box_tokens': 16}


@dataclass
class Library:
    """A model and its processor, used as the library's documentation says."""

    model: Any
    processor: Any
    image_options: dict[str, Any]

    def inputs(self, images, words, intros=None):
        images = [PIL.Image.fromarray(image) for image in images]
        if not self.processor.chat_template:
            text = '<image>' * len(images) + words
            return self.processor(text=[text], images=[images], return_tensors='pt')
        content = []
        for image, intro in zip(images, intros or [''] * len(images), strict=True):
            content += [{'type': 'text', 'text': intro}] if intro else []
            content.append({'type': 'image', 'image': image})
        content.append({'type': 'text', 'text': words})
        return self.processor.apply_chat_template(
            [{'role': 'user', 'content': content}],
            tokenize=True,
            return_dict=True,
            add_generation_prompt=True,
            return_tensors='pt',
            enable_thinking=False,
            processor_kwargs=dict(self.image_options),
        )

    def tokens(self, images, words, count, intros=None):
        """Generate greedily, and return the new tokens alone."""
        inputs = self.inputs(images, words, intros)
        inputs.pop('labels', None)
        with torch.inference_mode():
            made = self.model.generate(**inputs, do_sample=False, max_new_tokens=count)
        return tuple(made[0, inputs['input_ids'].shape[1] :].tolist())


@pytest.fixture(scope='package', autouse=True)
def one_thread():
    """Networks this small lose more by sharing their work than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session')
def folders(tmp_path_factory):
    """The folder of a tiny model of some kind."""
    saved: dict[str, Path] = {}

    def get(kind):
        if kind not in saved:
            folder = tmp_path_factory.mktemp('chat') / kind
            folder.mkdir()
            with torch.random.fork_rng():
                torch.manual_seed(7)
                tiny_chat.save(folder, kind)
            saved[kind] = folder
        return saved[kind]

    return get


@pytest.fixture(scope='session')
def load(folders):
    """Load a kind of model with options of one's own."""

    def get(kind, **options):
        return backends.load('chat', model=str(folders(kind)), dtype='float32', **options)

    return get


@pytest.fixture(scope='session')
def chat(load):
    """A kind of model, loaded once."""
    models: dict[str, Any] = {}

    def get(kind):
        if kind not in models:
            # All the tiles that LLaVA's shapes have; the limits have tests of their own.
            tiles = {'max_tiles': 5} if 'llava_' in kind else {}
            models[kind] = load(kind, **SHORT, **tiles)
        return models[kind]

    yield get
    for model in models.values():
        model.close()


@pytest.fixture(scope='session')
def library(folders):
    """The same model, loaded by the library."""
    loaded: dict[str, Library] = {}

    def get(kind):
        if kind not in loaded:
            loaded[kind] = Library(
                AutoModelForImageTextToText.from_pretrained(folders(kind), dtype=torch.float32),
                AutoProcessor.from_pretrained(folders(kind)),
                AS_DEFAULT.get(kind, {}),
            )
        return loaded[kind]

    return get


class Ending(Ticket):
    """Cancels itself once the model has written so many partial texts."""

    def __init__(self, last: int):
        super().__init__(on_partial=self._count)
        self.last = last
        self.texts: list[str] = []

    def _count(self, text: str) -> None:
        self.texts.append(text)
        if len(self.texts) == self.last:
            self.cancel()


@pytest.fixture
def ending():
    return Ending
