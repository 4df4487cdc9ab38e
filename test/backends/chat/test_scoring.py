"""Closed questions against the plain way: every label's tokens through the whole model."""

import numpy as np
import pytest
import torch

from vlm_ros.backends.chat import prompts
from vlm_ros.backends.chat.scoring import calibrated, Labels
from vlm_ros.errors import BackendError, InputError, QuestionError
from vlm_ros.results import Status, Truth

TOLERANCE = 2e-4
"""Of probabilities, both ways in float32."""
KINDS = ('smolvlm', 'qwen2_5_vl', 'qwen3_5', 'paligemma', 'gemma3', 'gemma4')
"""A plain cache, rotations beside it, linear attention, no cache, sliding windows, shared ones."""
CHOICES = ('open', 'closed', 'half open', 'half closed', 'half', 'seven')

# PaliGemma's processor makes an array of a tensor in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')


@pytest.fixture(scope='module')
def image(photos):
    return np.ascontiguousarray(photos['coffee'][:300, :280])


def spellings(tokenizer, label):
    found = []
    for text in (label, label.capitalize(), f' {label}', f' {label.capitalize()}'):
        tokens = tokenizer(text, add_special_tokens=False)['input_ids']
        if tokens not in found and tokenizer.decode(tokens[:1]).strip():
            found.append(tokens)
    return found


def by_whole_forwards(own, images, words, labels, intros=None):
    """Return the probability of each label, written under the constraint to write a label."""
    inputs = own.inputs(images, words, intros)
    inputs.pop('labels', None)
    ends = own.model.generation_config.eos_token_id
    spelled = {label: spellings(own.processor.tokenizer, label) for label in labels}
    every = [tokens for each in spelled.values() for tokens in each]

    def allowed(begun):
        following = {
            tokens[len(begun)]
            for tokens in every
            if len(tokens) > len(begun) and tokens[: len(begun)] == begun
        }
        return following | ({ends} if begun in every else set())

    def share(begun, token):
        options = sorted(allowed(begun))
        if len(options) == 1:
            return 1.0
        more = dict(inputs)
        # Without a cache, and each spelling from the image on.
        if begun:
            added = torch.tensor([begun])
            more['input_ids'] = torch.cat([inputs['input_ids'], added], 1)
            # PaliGemma marks what it writes itself; for Gemma a mark means an image.
            marks = {
                'attention_mask': 1,
                'token_type_ids': int(not own.processor.chat_template),
                'mm_token_type_ids': 0,
            }
            for name, mark in marks.items():
                if name in inputs:
                    more[name] = torch.nn.functional.pad(inputs[name], (0, len(begun)), value=mark)
        with torch.inference_mode():
            made = own.model.generate(
                **more,
                do_sample=False,
                max_new_tokens=1,
                output_logits=True,
                return_dict_in_generate=True,
            )
        logits = made.logits[0][0, options].double()
        return float(logits.softmax(0)[options.index(token)])

    def chance(tokens):
        product = 1.0
        for index, token in enumerate(tokens):
            product *= share(tokens[:index], token)
        return product * (share(tokens, ends) if ends in allowed(tokens) else 1.0)

    chances = np.array([sum(map(chance, spelled[label])) for label in labels])
    return chances / chances.sum()


@pytest.mark.parametrize('kind', KINDS)
def test_yes_and_no(kind, chat, library, image):
    question = 'Is there a cup of coffee?'
    template = prompts.PREFIX_ANSWER if kind == 'paligemma' else prompts.ANSWER_YES_NO
    yes, no = by_whole_forwards(
        library(kind), [image], template.format(question=question), ('yes', 'no')
    )
    answer = chat(kind).answer(image, question)
    assert answer.status is Status.OK
    assert answer.text == ('yes' if yes >= no else 'no')
    assert answer.confidence == pytest.approx(max(yes, no), abs=TOLERANCE)
    assert 0.5 < answer.confidence < 1


@pytest.mark.parametrize('kind', ['smolvlm', 'qwen2_5_vl', 'qwen3_5', 'gemma3'])
def test_choices_that_begin_alike(kind, chat, library, image):
    words = prompts.ANSWER_CHOICE.format(question='The door is?', choices=', '.join(CHOICES))
    shares = by_whole_forwards(library(kind), [image], words, CHOICES)
    answer = chat(kind).answer(image, 'The door is?', choices=CHOICES)
    assert answer.text == CHOICES[int(np.argmax(shares))]
    assert answer.confidence == pytest.approx(shares.max(), abs=TOLERANCE)
    assert shares.max() < 0.9


@pytest.mark.parametrize('kind', KINDS)
def test_texts_that_may_match(kind, chat, library, image):
    texts = ('a cup of coffee', 'two dogs', 'a spoon beside a cup on a table', 'red')
    template = prompts.PREFIX_ANSWER if kind == 'paligemma' else prompts.MATCH
    expected = [
        by_whole_forwards(
            library(kind), [image], template.format(text=text, question=text), ('yes', 'no')
        )[0]
        for text in texts
    ]
    scores = chat(kind).match(image, texts)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
    assert np.ptp(scores) > 0.001


def test_a_statement_about_two_images(chat, library, image, photos):
    images = [image, np.ascontiguousarray(photos['chelsea'])]
    words = prompts.VERIFY.format(statement='Both show a cat.')
    yes, no = by_whole_forwards(
        library('smolvlm'), images, words, ('yes', 'no'), list(prompts.SIDES)
    )
    verdict = chat('smolvlm').verify(images, 'Both show a cat.')
    assert verdict.truth is (Truth.TRUE if yes >= no else Truth.FALSE)
    assert verdict.confidence == pytest.approx(max(yes, no), abs=TOLERANCE)


def test_more_images_than_a_kind_knows_are_refused(chat, image):
    with pytest.raises(InputError, match='1 images at most'):
        chat('llava').verify([image, image], 'Both show a cup.')
    with pytest.raises(InputError, match='got 3'):
        chat('smolvlm').verify([image] * 3, 'All show a cup.')
    with pytest.raises(InputError, match='got 0'):
        chat('smolvlm').verify([], 'It shows a cup.')


def test_one_choice_is_certain(chat, image):
    answer = chat('smolvlm').answer(image, 'What is it?', choices=['a cup'])
    assert (answer.text, answer.confidence) == ('a cup', 1.0)


def test_more_rows_than_one_forward_takes(chat, image):
    texts = [f'number {index}' for index in range(40)]
    scores = chat('smolvlm').match(image, texts)
    alone = [chat('smolvlm').match(image, [text])[0] for text in texts[::13]]
    np.testing.assert_allclose(scores[::13], alone, atol=TOLERANCE)


def test_a_temperature_changes_how_sure_and_not_what(load, chat, image):
    warm = load('smolvlm', calibration_temperature=3.0)
    question, choices = 'Which?', CHOICES
    cold, soft = (m.answer(image, question, choices=choices) for m in (chat('smolvlm'), warm))
    assert cold.text == soft.text
    assert 1 / len(choices) < soft.confidence < cold.confidence
    yes = chat('smolvlm').match(image, ['a cup'])[0]
    odds = np.log(yes / (1 - yes)) / 3
    assert warm.match(image, ['a cup'])[0] == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-4)


def test_on_blank_what_the_words_suggest_is_taken_out(load, chat, image):
    careful = load('smolvlm', calibrate_on_blank=True)
    blank = np.full((64, 64, 3), 127, np.uint8)
    np.testing.assert_allclose(careful.match(blank, ['a cup', 'a dog']), 0.5, atol=TOLERANCE)
    seen, grey = (chat('smolvlm').match(each, ['a cup'])[0] for each in (image, blank))
    odds = seen / (1 - seen) * (1 - grey) / grey
    assert careful.match(image, ['a cup'])[0] == pytest.approx(odds / (1 + odds), abs=TOLERANCE)


def test_a_margin_leaves_close_answers_open(load, image):
    wary = load('smolvlm', unsure_margin=1.0)
    answer = wary.answer(image, 'Is there a cup?')
    assert answer.status is Status.UNSURE
    assert 'undecided' in answer.message
    verdict = wary.verify([image], 'There is a cup.')
    assert (verdict.truth, verdict.status) == (Truth.UNKNOWN, Status.UNSURE)


@pytest.mark.parametrize(
    ('option', 'value'),
    [('calibration_temperature', 0.0), ('unsure_margin', 1.5), ('answer_tokens', 0)],
)
def test_options_out_of_range_are_refused(option, value, load):
    with pytest.raises(BackendError, match=option):
        load('smolvlm', **{option: value})


def test_texts_without_words_are_refused(chat, image):
    for texts in ([], ['a cat', ' ']):
        with pytest.raises(QuestionError):
            chat('smolvlm').match(image, texts)
    with pytest.raises(QuestionError, match='choice'):
        chat('smolvlm').answer(image, 'Which?', choices=['', 'b'])


def test_labels_part_where_their_tokens_do(chat):
    tokenizer = chat('smolvlm')._tokenizer
    labels = Labels(tokenizer, ('half open', 'half'), ends=(3,))
    logits = torch.zeros(len(labels.branchings), len(tokenizer))
    assert len(labels.branchings) > 1
    before = labels.log_probabilities(logits)
    assert np.exp(before).sum() == pytest.approx(1)
    logits[:, 3] = 50.0  # it ends wherever it may
    np.testing.assert_allclose(labels.log_probabilities(logits)[1], 0, atol=1e-5)


def test_a_huge_difference_is_no_overflow():
    shares = calibrated(np.array([[-2000.0, 0.0]], np.float32), 0.5)
    np.testing.assert_array_equal(shares, [[0.0, 1.0]])
