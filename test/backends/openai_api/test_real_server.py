"""The backend against `transformers serve`, a real server with a real model (tiny, random).

Proven by it: images reach a vision-language model and its answer depends on them, text streams,
the answer is the one that the same model gives in this process, several images go into one
request, an answer is cut at `max_tokens`, cancel between two words ends the work and leaves the
server working, names of models it does not serve are refused. It ignores `logprobs` (its log says
so), so that yes-or-no questions and choices take the way in words; probabilities, refusals, faults
and time-outs are left to the scripted server.
"""

import base64

import cv2
import numpy as np
from PIL import Image as PilImage
import pytest

from vlm_ros import backends
import vlm_ros.backends.engine  # noqa: F401 - makes torchvision importable for transformers
from vlm_ros.backends.openai_api.answering import CAPTION_PROMPT
from vlm_ros.backends.openai_api.pictures import Pictures
from vlm_ros.errors import BackendError, DeadlineExceeded, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status
from vlm_ros.tasks import Ticket


@pytest.fixture(scope='module')
def model(served):
    model = backends.load('openai_api', **served)
    yield model
    model.close()


@pytest.fixture(scope='module')
def images():
    rng = np.random.default_rng(5)
    return [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(4)]


def in_this_process(options, image, prompt):
    """Say what the same model says without a server, about the picture as it is sent."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(options['model'], backend='pil')
    model = AutoModelForImageTextToText.from_pretrained(options['model'])
    url = Pictures(max_side_px=options['max_side_px'], quality=85).encode(image).url
    data = np.frombuffer(base64.b64decode(url.partition(',')[2]), np.uint8)
    picture = PilImage.fromarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy())
    content = [{'type': 'image', 'image': picture}, {'type': 'text', 'text': prompt}]
    inputs = processor.apply_chat_template(
        [{'role': 'user', 'content': content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors='pt',
    )
    said = model.generate(**inputs, max_new_tokens=options['max_tokens'], do_sample=False)
    return processor.decode(said[0, inputs['input_ids'].shape[1] :], skip_special_tokens=True)


def visible(text):
    # A character whose bytes are not all there at the end is left out of a stream, and is a
    # replacement character where a text is decoded at once.
    text = text.replace('\ufffd', '')
    return ''.join(character for character in text if character.isprintable()).strip()


def test_answers_are_those_of_the_model(model, served, images):
    texts = [model.caption(image).text for image in images]
    assert len(set(texts)) > 1  # they depend on the image
    for image, text in zip(images, texts, strict=True):
        assert visible(text) == visible(in_this_process(served, image, CAPTION_PROMPT))


def test_text_streams(model, images):
    parts = []
    caption = model.caption(images[0], ticket=Ticket(on_partial=parts.append))
    assert len(parts) > 1
    assert visible(parts[-1]) == visible(caption.text)
    assert caption.score == 0.5
    assert 'max_tokens' in caption.message


def test_several_images_are_one_request(model, images):
    alone = model.answer(images[0], 'What is on the sofa?')
    together = model.answer_frames(images, 'What is on the sofa?')
    assert together.status is Status.OK
    assert together.text != alone.text
    assert model.caption_frames(images[:2]).text


def test_a_model_that_knows_nothing_is_unsure(model, images):
    assert model.answer(images[0], 'Is there a cat?').status is Status.UNSURE
    answer = model.answer(images[0], 'Which?', choices=['one', 'two'])
    assert answer.status is Status.UNSURE
    found = model.detect(images[0], Vocabulary(('cat', 'dog')))
    assert (found.status, found.unrecognized) == (Status.UNSURE, ('cat', 'dog'))
    assert model.ground(images[0], 'a cat on a sofa').status is Status.UNSURE


def test_cancel_between_words_leaves_the_server_working(served, images):
    patient = backends.load('openai_api', **{**served, 'max_tokens': 2000})
    try:
        parts = []

        def hear(text):
            parts.append(text)
            ticket.cancel()

        ticket = Ticket(on_partial=hear)
        with pytest.raises(WorkCancelled):
            patient.caption(images[0], ticket=ticket)
        assert len(parts) == 1
        with pytest.raises(DeadlineExceeded):
            patient.caption(images[0], ticket=Ticket(0.05))
    finally:
        patient.close()
    again = backends.load('openai_api', **served)
    assert again.caption(images[0]).text
    again.close()


def test_a_model_it_does_not_serve_is_refused(served):
    with pytest.raises(BackendError, match=r'refuses the request \(400\): Server is pinned'):
        backends.load('openai_api', **{**served, 'model': 'nobody/nothing'})
    with pytest.raises(BackendError, match='lists no models'):
        backends.load('openai_api', **{**served, 'model': ''})
