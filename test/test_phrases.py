import time

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from vlm_ros.errors import VocabularyError
from vlm_ros.inflection import preload
from vlm_ros.lexicon import number_of
from vlm_ros.phrases import (
    chunk,
    count_phrase,
    join_names,
    MAX_NAME_CHARACTERS,
    MAX_NAMES,
    noun_phrases,
    plural,
    singular,
    Vocabulary,
    with_article,
)


def test_vocabulary_keeps_order_and_spelling():
    vocabulary = Vocabulary(('Traffic light', 'person'))
    assert vocabulary.names == ('Traffic light', 'person')
    assert len(vocabulary) == 2


def test_vocabulary_parse_splits_on_commas_and_trims():
    assert Vocabulary.parse(' person ,  traffic   light').names == ('person', 'traffic light')
    assert Vocabulary.parse(['a, b', 'c']).names == ('a, b', 'c')


def test_vocabulary_id_follows_names_and_order():
    first = Vocabulary(('dog', 'cat')).vocabulary_id
    assert first == Vocabulary(('dog', 'cat')).vocabulary_id
    assert (
        len({first, Vocabulary(('cat', 'dog')).vocabulary_id, Vocabulary(('dog',)).vocabulary_id})
        == 3
    )


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ((), 'the vocabulary is empty; give at least one class name'),
        (('dog', ' '), 'the vocabulary has a blank name; remove it'),
        (('dog', 'Dog'), "the vocabulary names 'Dog' twice; remove one"),
        (
            ('x' * 101,),
            "the name 'xxxxxxxxxxxxxxxxxxxx'... has 101 characters; at most 100 are taken",
        ),
        (
            tuple(str(number) for number in range(MAX_NAMES + 1)),
            f'the vocabulary has {MAX_NAMES + 1} names; at most {MAX_NAMES} are taken',
        ),
    ],
)
def test_vocabulary_refuses(names, message):
    with pytest.raises(VocabularyError) as caught:
        Vocabulary(names)
    assert str(caught.value) == message


def test_vocabulary_of_nothing_is_empty():
    with pytest.raises(VocabularyError, match='empty'):
        Vocabulary.parse('  ')


def described(text, extract=noun_phrases):
    """Show phrases as `determiner | attributes | head`, `+` after a plural."""
    shown = []
    for phrase in extract(text):
        parts = (phrase.determiner, ' '.join(phrase.attributes), phrase.head)
        shown.append('|'.join(parts) + ('+' if phrase.plural else ''))
    return shown


CAPTIONS = [
    ('a person and a dog on a red sofa', ['a||person', 'a||dog', 'a|red|sofa']),
    ('the two red cars', ['the two|red|car+']),
    ('a man riding a horse next to a parked car', ['a||man', 'a||horse', 'a|parked|car']),
    ('people walking dogs in the park', ['||person+', '||dog+', 'the||park']),
    ('a large brown dog sleeping on the floor', ['a|large brown|dog', 'the||floor']),
    ('a group of people in the background of the picture', ['||person+']),
    ('a glass of water on the left side of the image', ['a||glass', '||water']),
    ('a cup of coffee, a slice of cake', ['a||cup', '||coffee', '||cake']),
    ('a woman stands near the bus stop', ['a||woman', 'the||bus stop']),
    ('the man walks the dog', ['the||man', 'the||dog']),
    ('a train traveling down train tracks', ['a||train', '||train track+']),
    ('two zebras graze in a field', ['two||zebra+', 'a||field']),
    (
        'a kitchen with a stove, sink and refrigerator',
        ['a||kitchen', 'a||stove', '||sink', '||refrigerator'],
    ),
    ('light blue car and dark trousers', ['|light blue|car', '|dark|trousers']),
    ('two people wearing hats and safety vests', ['two||person+', '||hat+', '||safety vest+']),
    ('a cat, which is black', ['a||cat']),
    ('men in black', ['||man+']),
    ('the car is orange', ['the||car']),
    ('an orange on a plate', ['an||orange', 'a||plate']),
    ('the picture on the wall', ['the||picture', 'the||wall']),
    ('the closed door of the fridge', ['the|closed|door', 'the||fridge']),
]
COMMANDS = [
    ('pick up the mug left of the laptop', ['the||mug', 'the||laptop']),
    ('bring me a bottle of water please', ['a||bottle', '||water']),
    ('watch the door', ['the||door']),
    (
        'Drive to the nearest exit and stop in front of the yellow cone.',
        ['the|nearest|exit', 'the|yellow|cone'],
    ),
    ('look for red boxes to the right of the shelf', ['|red|box+', 'the||shelf']),
    ('person, forklift, pallet', ['||person', '||forklift', '||pallet']),
    ('the second person from the left', ['the|second|person']),
    ('the largest box', ['the|largest|box']),
]
QUESTIONS = [
    ('what is left of the red traffic light?', ['the|red|traffic light']),
    ('Is there a coffee cup on the table?', ['a||coffee cup', 'the||table']),
    ('how many people are in view?', ['many||person+']),
    ("isn't the door open?", ['the||door']),
    ("what's on the table", ['the||table']),
    ('can the robot pass the door?', ['the||robot', 'the||door']),
    ('is there both a cup and a plate?', ['both a||cup', 'a||plate']),
    ('do you see any dogs or cats?', ['any||dog+', '||cat+']),
    ('is the person on the left hand side wearing a hard hat?', ['the||person', 'a||hard hat']),
]
AMOUNTS = [
    ('twenty-one dogs and twenty two cats', ['twenty-one||dog+', 'twenty two||cat+']),
    ('two hundred people', ['two hundred||person+']),
    ('multiple red cars', ['multiple|red|car+']),
    ('the seventh door and the 3rd window', ['the|seventh|door', 'the|3rd|window']),
    ('the twenty-first house', ['the|twenty-first|house']),
    ('was there a dog yesterday?', ['a||dog']),
    ('the missing screw', ['the|missing|screw']),
    ('no dogs elsewhere', ['no||dog+']),
]
SPELLINGS = [
    ("the man's hat", ['the||man', "'s||hat"]),
    ('the man’s hat', ['the||man', "'s||hat"]),
    ("Tom's red T-shirt", ['||tom', "'s|red|t-shirt"]),
    ("the dogs' bowls", ['the||dog+', '||bowl+']),
    ('a "stop sign" and a \'hot dog\'', ['||stop sign', '||hot dog']),
    ('THE RED CAR', ['the|red|car']),
    ('his state-of-the-art laptop', ['his||state-of-the-art laptop']),
    ('3 dogs, 12 cats', ['3||dog+', '12||cat+']),
    ('traffic\n  light', ['||traffic light']),
]
COMPOUNDS = [
    'traffic light', 'coffee cup', 'fire hydrant', 'hot dog', 'stop sign', 'dining table',
    'swimming pool', 'washing machine', 'parking meter', 'teddy bear', 'bus stop', 'wrist watch',
    'remote control', 'high chair', 'police officer', 'shopping cart', 'orange juice', 'hard hat',
]  # fmt: skip


@pytest.mark.parametrize('extract', [noun_phrases, chunk])
@pytest.mark.parametrize(
    ('text', 'expected'), CAPTIONS + COMMANDS + QUESTIONS + AMOUNTS + SPELLINGS
)
def test_noun_phrases(extract, text, expected):
    assert described(text, extract) == expected


@pytest.mark.parametrize(
    ('words', 'number'),
    [
        ('seven', 7), ('twenty-one', 21), ('twenty one', 21), ('two hundred', 200),
        ('three thousand two hundred forty-one', 3241), ('two dozen', 24), ('a', None),
        ('two three', None), ('twenty twelve', None), ('one twenty', None), ('', None),
        ('hundred thousand', None), ('two hundred hundred', None), ('twenty-twenty', None),
        ('2', 2), ('2-3', None), ('²', None), ('1234567', None),
    ],
)  # fmt: skip
def test_number_of(words, number):
    assert number_of(words.split()) == number


@pytest.mark.parametrize('extract', [noun_phrases, chunk])
def test_a_lone_surrogate_is_no_letter(extract):
    assert next(phrase.head for phrase in extract('a dog, \ud800')) == 'dog'


@pytest.mark.parametrize('extract', [noun_phrases, chunk])
@pytest.mark.parametrize('compound', COMPOUNDS)
def test_compounds_stay_whole(extract, compound):
    for text in (
        compound,
        f'a {compound} on the grass',
        f'is there a {compound}?',
        f'two {compound}s',
    ):
        assert extract(text)[0].head == compound
    assert extract(f'the red {compound}')[0].name == f'red {compound}'


def test_phrase_spans_point_into_the_source():
    text = 'The  two   red\tcars; and "a dog".'
    cars, dog = noun_phrases(text)
    assert (cars.text, cars.span, cars.name) == ('red\tcars', (11, 19), 'red car')
    assert (dog.text, dog.span) == ('dog', (28, 31))


@pytest.mark.parametrize(
    ('text', 'heads'),
    [
        ('猫 和 狗', ['猫', '和', '狗']),
        ('猫、犬', ['猫', '犬']),
        ('Кошка, собака', ['кошка', 'собака']),
        ('कुत्ता, बिल्ली', ['कुत्ता', 'बिल्ली']),
        ('كلب، قطة', ['كلب', 'قطة']),
        ('a собака on the sofa', ['собака', 'sofa']),
        ('Ein Hund, eine Katze', ['ein hund', 'eine katze']),
    ],
)
def test_other_scripts_split_on_spaces_and_marks(text, heads):
    assert [phrase.head for phrase in noun_phrases(text)] == heads
    assert noun_phrases(text) == chunk(text)


@pytest.mark.parametrize(
    'text', ['', ' ', '?!...', '\x00\x1f', 'the of and', 'is it red?', '12 7']
)
def test_texts_that_name_nothing(text):
    assert noun_phrases(text) == ()


@pytest.mark.parametrize('extract', [noun_phrases, chunk])
@settings(deadline=None)  # the first text loads spaCy
@given(text=st.text())
def test_any_text_gives_phrases_a_vocabulary_takes(extract, text):
    end = 0
    for phrase in extract(text):
        assert phrase.text == text[phrase.start : phrase.end]
        assert end <= phrase.start < phrase.end
        end = phrase.end
        Vocabulary((phrase.head,))
        Vocabulary((phrase.name,))


@pytest.mark.parametrize(
    'unit', ['a dog and ', 'dog ', 'x', "'s ", 'red ', '猫', '-', 'a-', '... ']
)
def test_long_texts_take_linear_time(unit):
    noun_phrases('the dogs')
    chunk('the dogs')
    start = time.process_time()
    noun_phrases(unit * (100_000 // len(unit)))
    assert time.process_time() - start < 2.0


def test_nobody_names_a_thing_at_length():
    assert noun_phrases('x' * (MAX_NAME_CHARACTERS + 1)) == ()
    assert len(noun_phrases('x' * MAX_NAME_CHARACTERS)) == 1


PLURALS = [
    ('person', 'people'), ('man', 'men'), ('woman', 'women'), ('child', 'children'),
    ('knife', 'knives'), ('bus', 'buses'), ('glass', 'glasses'), ('box', 'boxes'),
    ('mouse', 'mice'), ('goose', 'geese'), ('foot', 'feet'), ('tooth', 'teeth'),
    ('leaf', 'leaves'),
    ('shelf', 'shelves'), ('wolf', 'wolves'), ('tomato', 'tomatoes'), ('photo', 'photos'),
    ('lens', 'lenses'), ('canvas', 'canvases'), ('cactus', 'cactuses'), ('octopus', 'octopuses'),
    ('city', 'cities'), ('key', 'keys'), ('shoe', 'shoes'), ('horse', 'horses'), ('tie', 'ties'),
    ('bench', 'benches'), ('dish', 'dishes'), ('fox', 'foxes'), ('dress', 'dresses'),
    ('traffic light', 'traffic lights'), ('fireman', 'firemen'),
    ('police officer', 'police officers'),
    ('cup', 'cups'), ('zebra', 'zebras'), ('ski', 'skis'), ('menu', 'menus'), ('taxi', 'taxis'),
    ('t-shirt', 't-shirts'), ('axe', 'axes'), ('house', 'houses'), ('watch', 'watches'),
]  # fmt: skip
UNCHANGED = ['sheep', 'fish', 'deer', 'aircraft', 'scissors', 'trousers', 'jeans', 'sunglasses']


@pytest.mark.parametrize(('one', 'many'), PLURALS)
def test_singular_and_plural(one, many):
    assert (singular(many), plural(one)) == (one, many)
    assert (singular(one), plural(many)) == (one, many)


def test_preload_may_be_called_twice():
    preload()
    preload()
    assert singular('dogs') == 'dog'


@pytest.mark.parametrize('noun', UNCHANGED)
def test_nouns_with_one_form(noun):
    assert (singular(noun), plural(noun)) == (noun, noun)


@pytest.mark.parametrize(
    'noun', ['', 'собака', '猫', '42', 'x9', 'grass', 'this', 'tennis', 'gas']
)
def test_singular_leaves_alone(noun):
    assert singular(noun) == noun


@pytest.mark.parametrize(
    ('noun', 'expected'),
    [
        ('dog', 'a dog'), ('elephant', 'an elephant'), ('hour glass', 'an hour glass'),
        ('unicorn', 'a unicorn'), ('scissors', 'scissors'), ('water', 'water'), ('bus', 'a bus'),
        ('traffic light', 'a traffic light'), ('umbrella', 'an umbrella'),
        ('dogs', 'dogs'), ('', ''),
    ],
)  # fmt: skip
def test_with_article(noun, expected):
    assert with_article(noun) == expected


@pytest.mark.parametrize(
    ('count', 'noun', 'expected'),
    [
        (0, 'dog', 'no dogs'), (1, 'dog', 'one dog'), (3, 'dog', 'three dogs'),
        (2, 'people', 'two people'), (1, 'people', 'one person'), (12, 'bus', 'twelve buses'),
        (13, 'knife', '13 knives'), (2, 'sheep', 'two sheep'),
        (4, 'traffic light', 'four traffic lights'),
    ],
)  # fmt: skip
def test_count_phrase(count, noun, expected):
    assert count_phrase(count, noun) == expected


def test_count_phrase_refuses_a_negative_count():
    with pytest.raises(ValueError, match='-1'):
        count_phrase(-1, 'dog')


@pytest.mark.parametrize(
    ('names', 'expected'),
    [((), ''), (('a',), 'a'), (('a', 'b'), 'a and b'), (('a', 'b', 'c'), 'a, b and c')],
)
def test_join_names(names, expected):
    assert join_names(names) == expected
    assert join_names(('a', 'b'), 'or') == 'a or b'
