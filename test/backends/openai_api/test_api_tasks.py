"""What the backend makes of a server's answers, on a scripted server."""

import base64
import itertools
import json

from api_servers.scripted import fail, say, say_at_once, stream
import cv2
import numpy as np
import pytest

from vlm_ros.errors import BackendError, InputError, ModelError, QuestionError
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status
from vlm_ros.tasks import Ticket

CAT_AND_DOGS = (
    '[{"label": "Cats", "box": [250, 500, 750, 1000]}, {"label": "dog", "box": [0, 0, 500, 500]}, '
    '{"label": "bird", "box": [0, 0, 10, 10]}]'
)
YES = ({'Yes': 0.6, ' yes': 0.2, 'No': 0.15, 'Maybe': 0.05},)


def sent_images(request):
    return [
        part['image_url']['url']
        for part in request['messages'][0]['content']
        if part['type'] == 'image_url'
    ]


def test_caption_streams_its_text(model, server, image):
    server.script.append(say('a cat on a sofa'))
    parts = []
    caption = model.caption(image, ticket=Ticket(on_partial=parts.append))
    assert (caption.text, caption.status, caption.score) == ('a cat on a sofa', Status.OK, 0.5)
    assert parts[-1] == 'a cat on a sofa'
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(parts))


def test_caption_follows_a_prompt(model, server, image):
    model.caption(image, prompt='Describe the sofa.')
    assert server.prompts == ['Describe the sofa.']


def test_the_image_comes_first_and_is_a_jpeg_of_it(load, server, image):
    load(max_side_px=32).caption(image)
    content = server.requests[0]['messages'][0]['content']
    assert [part['type'] for part in content] == ['image_url', 'text']
    prefix, _, data = content[0]['image_url']['url'].partition(',')
    assert prefix == 'data:image/jpeg;base64'
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (32, 32, 3)  # 32 x 24, and the shorter side not below 32


def test_colours_are_the_images(load, server):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    load().caption(red)
    data = sent_images(server.requests[0])[0].partition(',')[2]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert (picture[32, 32, ::-1].astype(int) - (255, 0, 0) <= 2).all()
    assert picture[32, 32, 2] > 250


def test_the_same_frame_is_the_same_bytes_and_another_is_not(model, server, image):
    frame = image.copy()
    model.caption(frame)
    model.answer(frame, 'What is it?')
    frame[:] = 0  # a caller reads the next frame into the same array
    model.caption(frame)
    first, second, third = (sent_images(request)[0] for request in server.requests)
    assert first == second
    assert first != third


def test_frames_go_into_one_request_in_their_order(model, server, image):
    model.caption_frames([image, image[::-1]])
    model.answer_frames([image[::-1], image], 'What changed?')
    first, second = server.requests
    assert sent_images(first) == sent_images(second)[::-1]
    assert len(sent_images(first)) == 2


def test_no_frames_are_refused(model):
    with pytest.raises(InputError):
        model.caption_frames([])
    with pytest.raises(InputError):
        model.answer_frames([], 'What changed?')


def test_detect_takes_names_of_the_vocabulary_only(model, server, image):
    server.script.append(say(CAT_AND_DOGS))
    found = model.detect(image, Vocabulary(('dog', 'Cat', 'cup')))
    assert found.labels == ('Cat', 'dog')
    np.testing.assert_allclose(found.xyxy, [[16, 24, 48, 48], [0, 0, 32, 24]])
    np.testing.assert_allclose(found.scores, [0.5, 0.5])
    assert found.unrecognized == ()
    assert 'dog, Cat, cup' in server.prompts[0]


def test_a_threshold_above_the_constant_score_leaves_all_out(model, server, image):
    server.script += [say(CAT_AND_DOGS)] * 2
    assert len(model.detect(image, Vocabulary(('dog',)), score_threshold=0.5)) == 1
    assert len(model.detect(image, Vocabulary(('dog',)), score_threshold=0.51)) == 0


@pytest.mark.parametrize('text', ['[]', '```json\n[]\n```', '{"detections": []}', 'None: []'])
def test_an_empty_list_is_nothing_found(model, server, image, text):
    server.script.append(say(text))
    found = model.detect(image, Vocabulary(('dog',)))
    assert found.status is Status.NOTHING_FOUND


@pytest.mark.parametrize(
    'script',
    [
        say('I cannot see any of these things.'),
        say('', refusal='I cannot help with that.'),
        say('[{"label": "dog", "bo', finish='length'),
        say('[{"label": "dog", "box": [1, 2, 3]}]'),
        say('[]', finish='content_filter'),
    ],
)
def test_an_answer_without_a_list_of_boxes_is_unsure(model, server, image, script):
    server.script.append(script)
    found = model.detect(image, Vocabulary(('dog', 'cat')))
    assert found.status is Status.UNSURE
    assert found.unrecognized == ('dog', 'cat')


def test_a_list_that_breaks_off_says_nothing_of_what_is_missing(model, server, image):
    server.script.append(say(CAT_AND_DOGS[:-20], finish='length'))
    found = model.detect(image, Vocabulary(('dog', 'cat', 'cup')))
    assert found.labels == ('cat', 'dog')
    assert found.unrecognized == ('cup',)


def test_pixels_are_of_the_image_that_was_sent(load, server):
    server.models = {'data': [{'id': 'Qwen2.5-VL-7B-Instruct'}]}
    image = np.zeros((480, 1000, 3), np.uint8)
    server.script.append(say('[{"bbox_2d": [56, 56, 112, 112], "label": "cat"}]'))
    found = load(max_side_px=500).detect(image, Vocabulary(('cat',)))
    data = sent_images(server.requests[0])[0].partition(',')[2]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (252, 504, 3)  # multiples of 28, so that the server changes no size
    x, y = 1000 / 504, 480 / 252
    np.testing.assert_allclose(found.xyxy, [[56 * x, 56 * y, 112 * x, 112 * y]], rtol=1e-6)


def test_ground_looks_for_phrases_with_their_attributes(model, server, image):
    text = 'A red cup left of two cups and a Dog'
    server.script.append(
        say('[{"label": "red cup", "box": [0, 0, 5, 5]}, {"label": "cup", "box": [1, 1, 9, 9]}]')
    )
    grounded = model.ground(image, text)
    assert 'red cup, cup, dog' in server.prompts[0]
    assert [(g.phrase, g.detections) for g in grounded.groundings] == [
        ('red cup', (0,)),
        ('cups', (1,)),
        ('Dog', ()),
    ]
    assert grounded.groundings[0].scores == (0.5,)


def test_ground_without_phrases_asks_nobody(model, server, image):
    assert model.ground(image, 'is it?').groundings == ()
    assert not server.requests


def test_answer(model, server, image):
    server.script.append(say('three people', scores=({'three': 0.9}, {'people': 0.4})))
    answer = model.answer(image, 'How many people are there?')
    assert (answer.text, answer.status) == ('three people', Status.OK)
    assert answer.confidence == pytest.approx(0.6)  # the geometric mean of 0.9 and 0.4


@pytest.mark.parametrize('text', ['Cannot tell.', 'I cannot tell from this image.', 'Can’t tell'])
def test_a_model_that_cannot_tell_is_unsure(model, server, image, text):
    server.script.append(say(text))
    assert model.answer(image, 'What is behind the wall?').status is Status.UNSURE


def test_yes_or_no_is_one_token_and_its_share_of_the_probability(model, server, image):
    server.script.append(say('Yes', scores=YES))
    answer = model.answer(image, 'Is there a cat?')
    assert (answer.text, answer.status) == ('yes', Status.OK)
    assert answer.confidence == pytest.approx(0.8 / 0.95)
    (request,) = server.requests
    assert (request['max_tokens'], request['logprobs'], request['top_logprobs']) == (1, True, 20)


def test_the_label_that_is_second_as_a_token_may_be_first_as_a_word(model, server, image):
    server.script.append(say('No', scores=({'No': 0.4, 'Yes': 0.3, 'yes': 0.25},)))
    assert model.answer(image, 'Is there a cat?').text == 'yes'


def test_choices_are_letters_and_come_back_as_they_were(model, server, image):
    server.script.append(say('B', scores=({'B': 0.7, 'A': 0.2, 'C': 0.1},)))
    answer = model.answer(image, 'What colour is it?', choices=['red', ' Dark  Blue ', 'green'])
    assert answer.text == ' Dark  Blue '
    assert answer.confidence == pytest.approx(0.7)
    assert 'A. red\nB. Dark Blue\nC. green' in server.prompts[0]


@pytest.mark.parametrize(
    'scores',
    [
        ({'The': 0.9, 'Yes': 0.05},),  # about to say something else
        ({'Yes': 0.5, 'No': 0.5},),
    ],
)
def test_scores_that_do_not_decide_are_followed_by_a_question_in_words(
    model, server, image, scores
):
    server.script += [say('The', scores=scores), say('No, there is none.')]
    answer = model.answer(image, 'Is there a cat?')
    assert (answer.text, answer.status) == ('no', Status.OK)
    assert 'exactly one of these' in server.prompts[1]


def test_a_server_without_probabilities_may_say_the_label_itself(model, server, image):
    server.script += [say('yes'), say('B')]
    assert model.answer(image, 'Is there a cat?').text == 'yes'
    answer = model.answer(image, 'Which?', choices=['one', 'two'])
    assert (answer.text, answer.confidence) == ('two', 0.5)


def test_a_server_that_tells_nothing_by_one_token_is_asked_in_words_from_then_on(
    model, server, image
):
    server.script += [say('The'), say('Two.'), say('"one"')]
    assert model.answer(image, 'Which?', choices=['one', 'two']).text == 'two'
    assert model.answer(image, 'Which?', choices=['one', 'two']).text == 'one'
    assert len(server.requests) == 3


@pytest.mark.parametrize('text', ['three', 'one or two', 'not two', 'The answer is: two'])
def test_what_is_none_of_the_choices_is_unsure(model, server, image, text):
    server.script += [say('The'), say(text)]
    answer = model.answer(image, 'Which?', choices=['one', 'two'])
    assert answer.status is Status.UNSURE
    assert 'none of the choices' in answer.message


def test_many_choices_are_asked_in_words_at_once(model, server, image):
    server.script.append(say('n7'))
    choices = [f'n{index}' for index in range(50)]
    assert model.answer(image, 'Which?', choices=choices).text == 'n7'
    assert len(server.requests) == 1


@pytest.mark.parametrize('question', ['', ' \n', '?!'])
def test_questions_without_words_are_refused(model, server, image, question):
    for work in (model.answer, model.ground):
        with pytest.raises(QuestionError):
            work(image, question)
    assert not server.requests


def test_blank_choices_are_refused(model, image):
    with pytest.raises(QuestionError, match='blank'):
        model.answer(image, 'Which?', choices=['one', ' '])


@pytest.mark.parametrize(
    ('script', 'message'),
    [
        (
            say('', refusal='I cannot help\nwith that.'),
            'the model refuses: I cannot help with that.',
        ),
        (say('so', finish='content_filter'), 'content filter'),
    ],
)
def test_refusals_are_unsure_and_no_failure(model, server, image, script, message):
    server.script += [script] * 4
    caption = model.caption(image)
    results = [
        caption,
        model.answer(image, 'What is it?'),
        model.answer(image, 'What is it?', choices=[f'n{i}' for i in range(50)]),
    ]
    for result in results:
        assert result.status is Status.UNSURE
        assert message in result.message
    assert caption.score == 0


def test_an_answer_at_the_limit_says_so(model, server, image):
    server.script += [say('a very long', finish='length')] * 2
    assert 'max_tokens' in model.caption(image).message
    assert 'max_tokens' in model.answer(image, 'What is it?').message


def test_thoughts_and_control_characters_are_left_out(model, server, image):
    server.script.append(say('<think>a dog? no</think>\n a \x1b[31mcat\x00 '))
    assert model.caption(image).text == 'a [31mcat'


def test_thoughts_are_not_told_while_they_last(model, server, image):
    server.script += [say('<think>a dog? no</think> a cat'), say('<think>a dog?', finish='length')]
    parts = []
    model.caption(image, ticket=Ticket(on_partial=parts.append))
    assert [part for part in parts if part] == ['a', 'a cat']
    with pytest.raises(ModelError, match='answered nothing within max_tokens'):
        model.caption(image)


def test_a_server_that_does_not_stream(model, server, image):
    server.script.append(say_at_once('a cat at once'))
    assert model.caption(image).text == 'a cat at once'


def test_chunks_without_choices_are_passed_over(model, server, image):
    chunk = {'id': 'x', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'm'}
    text = {'index': 0, 'delta': {'content': 'cat'}, 'finish_reason': 'stop'}
    server.script.append(
        stream(
            ': a comment',
            f'data: {json.dumps({**chunk, "choices": []})}',
            f'data: {json.dumps({**chunk, "choices": [text]})}',
            'data: [DONE]',
        )
    )
    assert model.caption(image).text == 'cat'


def test_the_revision_is_the_fingerprint_where_there_is_one(model, server, image):
    assert model.model_revision == 'created 2023-11-14'
    server.script.append(say('a cat', fingerprint='fp_1'))
    model.caption(image)
    assert model.model_revision == 'fp_1'


@pytest.mark.parametrize(
    ('refused', 'expected'),
    [
        (
            "Unsupported parameter: 'max_tokens' ... Use 'max_completion_tokens' instead.",
            'max_comp',
        ),
        ("Unsupported value: 'temperature' does not support 0", 'temperature'),
        ('logprobs are not supported with reasoning models', 'logprobs'),
    ],
)
def test_what_a_model_does_not_take_is_left_out_from_then_on(
    model, server, image, refused, expected
):
    server.script.append(fail(400, refused))
    assert model.caption(image).text == 'a cat'
    model.caption(image)
    assert len(server.requests) == 3
    for request in server.requests[1:]:
        names = set(server.requests[0]) ^ set(request)
        assert names
        assert all(name.startswith(('max_', expected)) for name in names)


def test_options_are_sent(load, server, image):
    model = load(
        detail='low', max_tokens=7, temperature=0.5, extra='{"chat_template_kwargs": {"a": false}}'
    )
    model.caption(image)
    (request,) = server.requests
    assert request['messages'][0]['content'][0]['image_url']['detail'] == 'low'
    assert (request['max_tokens'], request['temperature']) == (7, 0.5)
    assert request['chat_template_kwargs'] == {'a': False}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'max_tokens': 0}, 'max_tokens'),
        ({'max_tokens': 'many'}, 'max_tokens'),
        ({'max_tokens': True}, 'max_tokens'),
        ({'max_box_tokens': 0}, 'max_box_tokens'),
        ({'temperature': float('nan')}, 'temperature'),
        ({'timeout_s': 0}, 'timeout_s'),
        ({'retries': -1}, 'retries'),
        ({'rest_s': -1}, 'rest_s'),
        ({'max_side_px': 4}, 'max_side_px'),
        ({'jpeg_quality': 101}, 'jpeg_quality'),
        ({'detail': 'best'}, 'detail'),
        ({'dialect': 'klingon'}, 'qwen3'),
        ({'extra': '{'}, 'extra'),
        ({'extra': '[]'}, 'extra'),
        ({'extra': [1]}, 'extra must be a JSON object, such as'),
        ({'extra': {'messages': []}}, 'messages'),
        ({'extra': {'a': {'api_key': 'x'}}}, 'looks like a secret'),
        ({'unheard_of': 1}, 'unheard_of'),
    ],
)
def test_options_out_of_their_range_are_refused(load, server, options, message):
    with pytest.raises(BackendError, match=message):
        load(**options)
    assert not server.headers


def test_a_closed_model_says_so(model, image):
    model.close()
    model.close()
    with pytest.raises(ModelError, match='closed'):
        model.caption(image)


@pytest.mark.parametrize('resolution_wh', [(1, 1), (4000, 8), (8, 4000), (3840, 2160)])
def test_odd_sizes_are_sent_as_what_processors_take(model, server, resolution_wh):
    width, height = resolution_wh
    server.script.append(say('[{"label": "cat", "box": [0, 0, 1000, 1000]}]'))
    found = model.detect(np.zeros((height, width, 3), np.uint8), Vocabulary(('cat',)))
    np.testing.assert_array_equal(found.xyxy, [[0, 0, width, height]])
    data = sent_images(server.requests[0])[0].partition(',')[2]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert min(picture.shape[:2]) >= 32
    assert max(picture.shape[:2]) <= 1024
