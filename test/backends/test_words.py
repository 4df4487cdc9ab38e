"""Which classes a name stands for."""

import pytest

from vlm_ros.backends.embedded import assets, classes
from vlm_ros.backends.embedded.minilm import MiniLm
from vlm_ros.backends.embedded.wordnet import WordNet
from vlm_ros.backends.embedded.words import Words
from vlm_ros.backends.weights import locate


@pytest.fixture(scope='module')
def wordnet():
    opened = WordNet(
        locate(assets.WORDNET_INDEX), locate(assets.WORDNET_DATA), locate(assets.WORDNET_SENSES)
    )
    yield opened
    opened.close()


@pytest.fixture(scope='module')
def known(wordnet):
    return classes.imagenet(wordnet) + tuple(classes.openimages(wordnet).values())


@pytest.fixture(scope='module')
def words(wordnet, known):
    return Words(known, wordnet, MiniLm(locate(assets.MINILM), locate(assets.MINILM_TOKENIZER)))


@pytest.fixture(scope='module')
def read(words, known):
    """The classes of one name, with affinities."""

    def of(name):
        affinity = words.read([name]).affinity[0]
        return {
            (item.label, index >= 1000): float(affinity[index])
            for index, item in enumerate(known)
            if affinity[index] > 0
        }

    return of


def test_every_class_is_there(known, wordnet):
    assert len(known) == 1000 + 23
    assert all(item.synsets or item.label == 'high heels' for item in known)
    assert {item.label for item in known if item.topic == 5} >= {'tabby', 'dog', 'cattle'}


@pytest.mark.parametrize(
    ('name', 'included', 'excluded'),
    [
        ('cat', {'tabby', 'Egyptian cat', 'cat'}, {'dog', 'tiger', 'Chihuahua', 'cat bear'}),
        ('kitty', {'cat'}, {'dog'}),
        ('dog', {'Chihuahua', 'golden retriever', 'dog'}, {'cat', 'timber wolf', 'hotdog'}),
        ('motorbike', {'moped'}, {'bicycle', 'mountain bike', 'car'}),
        ('mug', {'mug', 'coffee mug', 'coffee cup'}, {'bottle', 'teapot'}),
        ('person', {'person'}, {'gorilla', 'chimpanzee'}),
        ('people', {'person'}, {'dog'}),
        ('human', {'person'}, {'chimpanzee', 'orangutan'}),
        ('sofa', {'studio couch'}, {'chair', 'desk'}),
        ('bus', {'school bus', 'minibus'}, {'car', 'vehicle', 'mouse'}),
        ('car', {'car', 'sports car', 'convertible'}, {'bicycle', 'bus', 'passenger car'}),
        ('red sports car', {'sports car'}, {'car', 'red fox'}),
        ('cup of coffee', {'coffee cup'}, {'espresso'}),
        ('mouse', {'mouse', 'computer mouse'}, {'hamster'}),
        ('TV', {'television'}, {'radio'}),
        ('traffic lights', {'traffic light'}, {'spotlight'}),
        ('animal', {'tabby', 'dog', 'goldfish'}, {'person', 'teddy'}),
    ],
)
def test_classes_a_name_stands_for(name, included, excluded, read):
    labels = {label for label, _ in read(name)}
    assert labels >= included
    assert not labels & excluded


@pytest.mark.parametrize('name', ['cat', 'car', 'Car', ' cars', 'animal'])
def test_what_is_the_thing_itself_stands_for_it_in_full(name, read):
    assert set(read(name.strip()).values()) == {1.0}


def test_a_kind_of_a_class_counts_for_less_the_further_down_it_is(read):
    worker, woman, lady = (read(name)['person', True] for name in ('worker', 'woman', 'lady'))
    assert 1 > worker > woman > lady > 0.5


@pytest.mark.parametrize('name', ['soldier', 'policeman', 'skateboard'])
def test_a_kind_the_definition_does_not_call_so_is_not_the_class(name, read):
    assert not {('person', True), ('vehicle', True)} & set(read(name))


@pytest.mark.parametrize(
    'name',
    ['happiness', 'love', 'Tuesday', '猫', 'asdfgh', 'head', 'pallet', 'shelf', 'sky', '!?'],
)
def test_names_with_no_class_near_them(name, words):
    readings = words.read([name])
    assert not readings.affinity.any()
    assert not readings.recognized[0]


def test_relatives_stand_for_a_name_without_classes(words, known):
    giraffe, police = words.read(['giraffe', 'policeman']).relatives
    assert {item.label for item, is_so in zip(known, giraffe, strict=True) if is_so} >= {
        'gazelle',
        'impala',
    }
    assert 'person' in {item.label for item, is_so in zip(known, police, strict=True) if is_so}


def test_a_name_is_read_alike_among_others(words):
    alone = words.read(['kitten']).affinity[0]
    among = words.read(['happiness', 'cat', 'kitten', 'qwertyuiop asdf']).affinity[2]
    assert abs(alone - among).max() < 1e-5


def test_checks_between_batches(words):
    checks = []
    words.read([f'unheard-of thing {i}q' for i in range(200)], lambda: checks.append(1))
    assert len(checks) >= 4


@pytest.mark.parametrize(
    ('word', 'lemma'),
    [
        ('dogs', 'dog'),
        ('buses', 'bus'),
        ('knives', 'knife'),
        ('mice', 'mouse'),
        ('women', 'woman'),
        ('boxes', 'box'),
        ('people', 'person'),
        ('hot-air balloon', 'hot-air balloon'),
        ('T-shirt', 'T-shirt'),
        ('traffic lights', 'traffic light'),
        ('Coffee Cup', 'coffee cup'),
        ('housecat', 'house cat'),
    ],
)
def test_wordnet_knows_how_a_noun_may_be_written(word, lemma, wordnet):
    synset, _count = wordnet.senses(word)[0]
    assert lemma in wordnet.synset(synset).lemmas


@pytest.mark.parametrize('word', ['', 'xyzzy', 'quickly', '猫', 'a' * 200, 'dog cat', '\n'])
def test_wordnet_says_when_there_is_no_such_noun(word, wordnet):
    assert wordnet.senses(word) == ()


def test_wordnet_orders_senses_by_use(wordnet):
    (first, often), *others = wordnet.senses('dog')
    assert 'domestic dog' in wordnet.synset(first).lemmas
    assert all(count < often for _, count in others)


def test_wordnet_climbs_to_the_top(wordnet):
    steps = wordnet.ancestors(wordnet.by_key('domestic_cat%1:05:00::'))
    lemmas = {lemma: steps[offset] for offset in steps for lemma in wordnet.synset(offset).lemmas}
    assert lemmas['domestic cat'] == 0
    assert lemmas['cat'] == 1
    assert lemmas['carnivore'] == 3
    assert lemmas['entity'] == max(steps.values())


def test_wordnet_refuses_a_sense_it_does_not_have(wordnet):
    with pytest.raises(KeyError):
        wordnet.by_key('xyzzy%1:05:00::')
