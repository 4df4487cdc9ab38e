import math

from nltk.translate.bleu_score import corpus_bleu
import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
import pytest

from vlm_ros.errors import InputError
from vlm_ros.evaluation.captions import Captioning, describe, tokenize
from vlm_ros.evaluation.wordnet import FOLDER, WordNet
from vlm_ros.results import Status

REFERENCES = [
    ['A man riding a wave on a surfboard.', 'A surfer rides a large wave in the ocean.'],
    ['Two dogs play with a ball in the park.', 'Dogs are running after a ball on the grass.'],
    ['A red bus is parked beside the road.', 'There is a double decker bus on the street.'],
    ['A cat sleeps on a sofa, near a lamp.', 'The cat is lying on the couch.'],
]
CAPTIONS = [
    'A man riding a large wave on a surfboard in the ocean.',
    'Two dogs are running after a ball.',
    'A red car on the street.',
    'The cat is lying on a sofa.',
]


# What the Java program of the COCO evaluation makes of them.
@pytest.mark.parametrize(
    ('text', 'words'),
    [
        (
            "A man's dog doesn't run, it's sitting (on the left) - really!",
            "a man 's dog does n't run it 's sitting -lrb- on the left -rrb- really",
        ),
        (
            'Two red-and-white fire trucks; a truck at 5:30 in the evening.',
            'two red-and-white fire trucks a truck at 5:30 in the evening',
        ),
        ('The U.S. flag & a "stop" sign.', 'the u.s. flag & a stop sign'),
        ('a plate with a sandwich... and fries', 'a plate with a sandwich and fries'),
        (
            "People can't stop. Won't they? 50% off $5",
            "people ca n't stop wo n't they 50 % off $ 5",
        ),
        ('It cost 3.5 dollars. A cat sits.', 'it cost 3.5 dollars a cat sits'),
        ('Three people ride, two walk. A dog!', 'three people ride two walk a dog'),
    ],
)
def test_words_are_split_as_the_coco_evaluation_does(text, words):
    assert tokenize(text) == words


def test_bleu_gives_the_published_example():
    # Section 2.1 of the paper: of seven words, two are in a reference as often as that.
    score = describe(
        [Captioning('the the the the the the the')],
        [['The cat is on the mat', 'There is a cat on the mat']],
    )
    assert score.bleu[0] == pytest.approx(2 / 7)
    assert score.bleu[3] < 1e-4


@pytest.mark.parametrize(
    ('caption', 'expected'), [('police kill the gunman', 0.75), ('the gunman kill police', 0.5)]
)
def test_rouge_l_gives_the_published_example(caption, expected):
    score = describe([Captioning(caption)], [['police killed the gunman']])
    assert score.rouge_l == pytest.approx(expected)


@pytest.mark.parametrize(
    ('caption', 'expected'),
    [
        ('on the mat sat the cat', 0.5),
        ('the cat sat on the mat', 0.9977),
        ('the cat was sat on the mat', 0.9654),
    ],
)
def test_meteor_gives_the_published_examples(caption, expected):
    # https://en.wikipedia.org/wiki/METEOR#Examples
    score = describe([Captioning(caption)], [['the cat sat on the mat']])
    assert score.meteor == pytest.approx(expected, abs=5e-5)


def test_stems_match_and_synonyms_do_not():
    def meteor(caption):
        return describe([Captioning(caption)], [['two dogs running']]).meteor

    assert meteor('two dogs run') == meteor('two dogs running')
    assert meteor('two hounds running') < meteor('two dogs run')


@pytest.mark.skipif(not FOLDER.is_dir(), reason='no WordNet; apt-get install wordnet-base')
def test_meteor_with_synonyms_gives_the_published_examples():
    # The examples of NLTK's documentation, whose words are split as they are there.
    said = (
        'it is a guide to action which ensures that the military always obeys the commands of the'
        ' party'
    )
    references = (
        'it is a guide to action that ensures that the military will forever heed party commands',
        (
            'it is the guiding principle which guarantees the military forces always being under '
            'the command of the party'
        ),
        'it is the practical guide for the army always to heed the directions of the party',
    )
    wordnet = WordNet()
    assert wordnet.version == '3.0'

    def meteor(caption, given):
        return describe([Captioning(caption)], [given], tokenized=True, wordnet=wordnet).meteor

    assert round(meteor(said, references[:1]), 4) == 0.6944
    assert round(meteor(said, references), 4) == 0.6944
    assert meteor('non matching hypothesis', ['this is a cat']) == 0
    # Of meaning, the words of a dictionary: `kids` is looked for as `kid`, a `child`.
    same = meteor('a cab for a kid', ['a cab for a kid'])
    assert meteor('a cab for kids', ['a taxi for child']) == meteor('a cab for a', ['a cab for a'])
    assert meteor('a cab for a kid', ['a taxi for a child']) == same
    assert describe([Captioning('a cab')], [['a taxi']]).meteor < meteor('a cab', ['a taxi'])


@pytest.mark.skipif(not FOLDER.is_dir(), reason='no WordNet; apt-get install wordnet-base')
def test_words_have_the_synonyms_of_the_dictionary():
    wordnet = WordNet()
    # As NLTK's reader gives them, inflected words too.
    assert wordnet.synsets('Cabs')[2].words == ('cab', 'hack', 'taxi', 'taxicab')
    assert wordnet.synsets('mice')[0].words == ('mouse',)
    assert wordnet.synsets('ran')[1].words[:3] == ('scat', 'run', 'scarper')
    assert wordnet.synsets('galore')[0].words == ('galore',)
    assert wordnet.synsets('xyzzy') == []


def test_bleu_is_that_of_nltk():
    score = describe([Captioning(text) for text in CAPTIONS], REFERENCES)
    split = [[tokenize(text).split() for text in texts] for texts in REFERENCES]
    said = [tokenize(text).split() for text in CAPTIONS]
    for order in range(1, 5):
        weights = (1 / order,) * order
        assert score.bleu[order - 1] == pytest.approx(
            corpus_bleu(split, said, weights=weights), abs=1e-6
        )
    assert score.bleu[0] > score.bleu[3] > 0.1


def test_numbers_are_those_of_the_coco_evaluation():
    words = {row: [tokenize(text) for text in texts] for row, texts in enumerate(REFERENCES)}
    said = {row: [tokenize(text)] for row, text in enumerate(CAPTIONS)}
    score = describe([Captioning(text) for text in CAPTIONS], REFERENCES)
    assert score.bleu == pytest.approx(Bleu(4).compute_score(words, said, verbose=0)[0], abs=1e-6)
    rouge, each = Rouge().compute_score(words, said)
    assert score.rouge_l == pytest.approx(rouge, abs=1e-6)
    np.testing.assert_allclose(score.values['rouge_l'], each, rtol=0, atol=1e-6)
    cider, each = Cider().compute_score(words, said)
    assert score.cider == pytest.approx(cider, abs=1e-6)
    np.testing.assert_allclose(score.values['cider'], each, rtol=0, atol=1e-6)


def test_cider_is_ten_for_the_only_reference_and_weighs_rare_words():
    references = [[texts[0]] for texts in REFERENCES]
    same = describe([Captioning(texts[0]) for texts in references], references)
    np.testing.assert_allclose(same.values['cider'], 10)
    assert same.cider == pytest.approx(10)
    other = describe([Captioning(text) for text in CAPTIONS], references)
    assert 0 < other.cider < 10
    # Every reference has `a`, which therefore weighs nothing; `surfboard` is in one.
    common = describe([Captioning('a'), *map(Captioning, CAPTIONS[1:])], references)
    rare = describe([Captioning('surfboard'), *map(Captioning, CAPTIONS[1:])], references)
    assert common.values['cider'][0] == 0 < rare.values['cider'][0]


def test_images_without_a_caption_are_counted_apart():
    captions = [
        Captioning(CAPTIONS[0]),
        Captioning(''),
        Captioning('', Status.FAILED),
        Captioning(CAPTIONS[3]),
    ]
    score = describe(captions, REFERENCES)
    part = describe([captions[0], captions[3]], [REFERENCES[0], REFERENCES[3]])
    assert (score.bleu, score.rouge_l) == (part.bleu, part.rouge_l)
    # The weights of CIDEr are those of all references: abstentions change no other caption's.
    whole = describe([Captioning(text) for text in CAPTIONS], REFERENCES)
    assert score.cider == pytest.approx((whole.values['cider'][0] + whole.values['cider'][3]) / 2)
    assert (score.coverage.answered, score.coverage.abstained, score.coverage.failed) == (2, 1, 1)
    assert np.isnan(score.values['rouge_l']).tolist() == [False, True, True, False]
    nothing = describe([Captioning('')], [REFERENCES[0]])
    assert math.isnan(nothing.cider) and nothing.coverage.rate == 0


def test_one_image_has_no_cider():
    assert math.isnan(describe([Captioning('a cat')], [['a cat']]).cider)


def test_bad_input_is_named():
    with pytest.raises(InputError, match='image 0 has no caption'):
        describe([Captioning('a cat')], [[' ']])
    with pytest.raises(InputError, match='1 captions, 0 references'):
        describe([Captioning('a cat')], [])
