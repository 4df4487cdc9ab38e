"""Questions with known answers: right, balanced, and silent where people could differ."""

from collections import Counter
import json
import re

import cv2
import pytest
from world import LABELS, needs_drawing, SIZE_WH, World

from vlm_ros.cli.main import main
from vlm_ros.data.formats import TruthBox, TruthImage, TruthSet, write_coco
from vlm_ros.data.truths.language import read_language
from vlm_ros.data.truths.layouts import layout_of
from vlm_ros.data.truths.replies import ReplyRecord
from vlm_ros.errors import InputError
from vlm_ros.evaluation.language import score
from vlm_ros.inflection import singular
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord, read_lines
from vlm_ros.results import Status
from vlm_ros.simulation.questions import ask, KnownQuestion

NUMBER_WORDS = ('no', 'one', 'two', 'three', 'four', 'five')


def picture(key, *boxes, size=(400, 300)):
    return TruthImage(key, f'{key}.png', *size, tuple(boxes))


def box(label, left, top, right, bottom, **more):
    return TruthBox(label, (float(left), float(top), float(right), float(bottom)), **more)


def truth_of(*images, labels=('dog', 'cat', 'cup', 'car', 'bus', 'tree')):
    return TruthSet(tuple(images), labels)


@pytest.fixture(scope='module')
def film():
    """Simulated pictures: records and the colours of their things."""
    records, images, colours = [], {}, {}
    for seed in (3, 5, 8):
        with World(seed, toys=4, boards=('cat',) if seed == 3 else ('cup', 'person')) as world:
            world.step(0.5)
            shot = world.shoot()
        key = f'world-{seed}'
        images[key] = shot.image
        rows = []
        for thing in shot.things:
            labelled = thing.truth()
            if labelled is not None:
                number = 100 * seed + thing.number
                rows.append(
                    DetectionRecord(
                        label=thing.label, score=1, xyxy=labelled.xyxy, track_id=number
                    )
                )
                if thing.colour:
                    colours[number] = thing.colour
        records.append(
            FrameRecord(
                key=key,
                source=f'{key}.png',
                index=0,
                image=ImageRecord(file=f'{key}.png', width=SIZE_WH[0], height=SIZE_WH[1]),
                status=Status.OK,
                detections=tuple(rows),
            )
        )
    return records, images, colours


def answer(text, image, colours):
    """Answer by the words alone, from all boxes: nothing of how questions are made is used."""
    boxes = {}
    for row in image.boxes:
        boxes.setdefault(row.label, []).append(row)

    def count(noun):
        return len(boxes.get(singular(noun), ()))

    def only(noun):
        [one] = boxes[noun]
        return one

    text = text.lower()
    if found := re.fullmatch(r'(?:is there|there is) an? (.+) in the image[?.]', text):
        return count(found[1]) > 0
    if found := re.fullmatch(r'how many (.+) are there in the image\?', text):
        return str(count(found[1]))
    if found := re.search(r'exactly (\w+) (.+) in the image', text):
        return count(found[2]) == NUMBER_WORDS.index(found[1])
    if found := re.fullmatch(r'are there more (.+) than (.+) in the image\?', text):
        return count(found[1]) > count(found[2])
    if found := re.fullmatch(r'(?:is )?the (\w+)(?: is)? to the (\w+) of the (\w+)[?.]', text):
        before = only(found[1]).xyxy[0] < only(found[3]).xyxy[0]
        return before == (found[2] == 'left')
    if found := re.fullmatch(r'does the (\w+) look larger than the (\w+) in the image\?', text):
        sizes = [
            (b.xyxy[2] - b.xyxy[0]) * (b.xyxy[3] - b.xyxy[1]) for b in map(only, found.groups())
        ]
        return sizes[0] > sizes[1]
    if found := re.fullmatch(r'what colour is the (\w+)\?', text):
        return colours[only(found[1]).track_id]
    found = re.fullmatch(r'(?:is )?the (\w+)(?: is)? (\w+)[?.]', text)
    assert found, text
    return colours[only(found[1]).track_id] == found[2]


@pytest.fixture
def dataset(film, tmp_path):
    records, images, _ = film
    for key, image in images.items():
        cv2.imwrite(str(tmp_path / f'{key}.png'), image[..., ::-1])
    write_coco(records, LABELS, tmp_path, images=tmp_path)
    return tmp_path / 'annotations' / 'instances_train.json'


@needs_drawing
def test_all_answers_follow_from_the_simulators_truth(film):
    records, _, colours = film
    images = [
        TruthImage(
            record.key,
            record.image.file,
            *SIZE_WH,
            tuple(TruthBox(d.label, d.xyxy, track_id=d.track_id) for d in record.detections),
        )
        for record in records
    ]
    by_file = {image.file: image for image in images}
    found = ask(TruthSet(tuple(images), LABELS), colours=colours)
    seen = Counter()
    for row in found:
        told = answer(row.text, by_file[row.image], colours)
        assert row.label == (told if isinstance(told, str) else 'yes' if told else 'no'), row
        for edges in row.evidence:
            assert any(b.xyxy == edges and b.label in row.names for b in by_file[row.image].boxes)
        seen[row.group, row.form] += 1
    assert len(found) > 40
    assert {group for group, _ in seen} >= {
        'random',
        'adversarial',
        'count',
        'left/right',
        'colour',
    }
    balance = Counter((row.image, row.group, row.form, row.label) for row in found)
    for image, group, form, label in balance:
        if label in ('yes', 'no'):
            assert balance[image, group, form, 'yes'] == balance[image, group, form, 'no']


def test_absent_things_are_chosen_as_pope_does():
    # Cats are everywhere else; the bus is what keeps company with dogs.
    dog = box('dog', 100, 100, 200, 200)
    others = [picture(f'c{i}', box('cat', 50, 50, 150, 150)) for i in range(5)]
    couples = [picture(f'd{i}', dog, box('bus', 250, 50, 350, 150)) for i in range(2)]
    truth = truth_of(picture('dog', dog), *others, *couples)
    rows = [row for row in ask(truth, pairs=1) if row.image == 'dog.png']
    no = {row.group: row.names[0] for row in rows if row.label == 'no' and row.form == 'question'}
    assert no['popular'] == 'cat'
    assert no['adversarial'] == 'bus'
    drawn = {
        row.names[0]
        for seed in range(20)
        for row in ask(truth, pairs=1, seed=seed)
        if (row.image, row.group, row.label) == ('dog.png', 'random', 'no')
    }
    assert drawn == {'cat', 'cup', 'car', 'bus', 'tree'}
    evidence = [row.evidence for row in rows if row.group == 'random']
    assert evidence == [(dog.xyxy,), (dog.xyxy,), (), ()]


def test_what_people_could_differ_about_is_not_asked():
    rows = ask(
        truth_of(
            picture(
                'street',
                box('cat', 100, 100, 105, 105),  # tiny
                box('dog', 0, 100, 100, 200),  # cut off by the edge
                box('car', 105, 100, 215, 200),  # near the dog, and about as large
                box('cup', 300, 200, 360, 260),
                box('bus', 290, 120, 350, 225),  # half behind the cup
                box('tree', 200, 10, 260, 70, difficult=True),
            ),
        )
    )
    asked = {name for row in rows for name in row.names}
    assert asked.isdisjoint({'cat', 'tree'})
    sizes = {row.names for row in rows if 'larger' in row.text}
    assert sizes == {('car', 'cup'), ('cup', 'car')}
    sides = {frozenset(row.names) for row in rows if row.group == 'left/right'}
    assert frozenset({'dog', 'car'}) not in sides
    assert frozenset({'dog', 'cup'}) in sides


def test_a_covered_thing_and_names_within_names_are_left_alone():
    rows = ask(
        truth_of(
            picture(
                'road',
                box('car', 100, 100, 200, 200),
                box('sports car', 220, 100, 330, 190),
                box('dog', 20, 100, 70, 150),
                box('cup', 15, 105, 75, 160),
            ),
            labels=('car', 'sports car', 'police car', 'dog', 'cup', 'bus'),
        )
    )
    asked = {name for row in rows for name in row.names}
    assert 'dog' not in asked and 'police car' not in asked
    counted = {name for row in rows if row.group == 'count' for name in row.names}
    assert counted == {'cup'}


def test_seeds_and_labels_as_people_say_them():
    labels = ('TrafficLight', 'Person_sitting', 'Bicycle', 'Bus')
    truth = truth_of(
        picture('a', box('TrafficLight', 10, 10, 60, 90), box('Bicycle', 200, 100, 300, 200)),
        labels=labels,
    )
    first = ask(truth, seed=4)
    assert first == ask(truth, seed=4) != ask(truth, seed=5)
    texts = ' '.join(row.text for row in first)
    assert 'traffic light' in texts and 'TrafficLight' not in texts
    assert ask(truth, judged=[frozenset({'Bus'})])
    no = {r.names for r in ask(truth, judged=[frozenset({'Bus'})]) if r.label == 'no'}
    assert ('Person_sitting',) not in no


def test_names_of_which_not_all_things_are_labelled_are_not_counted_or_absent():
    image = picture('a', box('cup', 50, 50, 150, 150), box('dog', 200, 100, 300, 200))
    partly = frozenset({'cup', 'cat'})
    rows = ask(truth_of(image), not_exhaustive=[partly])
    assert ask(truth_of(image)) != rows
    exact = [row for row in rows if row.group in ('count', 'left/right', 'comparison')]
    assert exact and not any('cup' in row.names for row in exact)
    assert not any('cat' in row.names for row in rows)
    assert {row.label for row in rows if row.group == 'count'} == {'1', 'yes', 'no'}


def test_a_region_in_which_nothing_counts_may_hold_anything():
    region = box('DontCare', 300, 200, 390, 290, crowd=True)
    image = picture('a', box('cup', 50, 50, 150, 150), box('dog', 200, 100, 290, 190), region)
    rows = ask(truth_of(image, picture('b', *image.boxes[:2])))
    assert {row.image for row in rows} == {'b.png'}


def test_nothing_to_ask_is_an_error():
    with pytest.raises(InputError, match='these 1 images have no boxes'):
        ask(truth_of(picture('a')))
    with pytest.raises(InputError, match='nothing can be asked of these 1 images'):
        ask(truth_of(picture('a', box('dog', 0, 0, 4, 4))))


@needs_drawing
def test_the_command_writes_what_evaluate_reads(dataset, film, tmp_path, capsys):
    output = tmp_path / 'q.jsonl'
    command = ['questions', str(dataset), '-o', str(output), '--pairs', '1']
    assert main([*command, '--yes-no']) == 0
    assert '; ' in capsys.readouterr().err
    assert layout_of(output) == 'questions'
    rows = list(read_lines(output, KnownQuestion))
    as_pope = read_language(output, 'pope', images=tmp_path)
    assert len(as_pope.items) == len(rows)
    items = read_language(output, 'questions', images=tmp_path)
    assert items.picture(items.items[0].images[0]).is_file()
    perfect = [ReplyRecord(key=str(row.question_id), text=row.label) for row in rows]
    assert score(items, 'answer', perfect, resamples=1).numbers['accuracy'].value == 1
    yes = [ReplyRecord(key=str(row.question_id), text='yes') for row in rows]
    always = score(items, 'answer', yes, resamples=1).numbers
    assert always['accuracy'].value == 0.5 and always['yes/no yes ratio'].value == 1
    asked = ['evaluate', '--truth', str(output), '--backend', 'fake', '--json', '--quiet']
    assert main([*asked, '--images', str(tmp_path), '--resamples', '1']) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told['task'], told['layout']) == ('answer', 'questions')
    assert sum(told['coverage'][name] for name in ('answered', 'abstained')) == len(rows)
    # Colours need track ids, which COCO's files of this package have.
    colours = tmp_path / 'colours.yaml'
    colours.write_text(json.dumps(film[2]).replace('"', '').replace(',', ',\n'))
    assert main([*command, '--colours', str(colours)]) == 0
    rows = list(read_lines(output, KnownQuestion))
    groups = Counter(row.group for row in rows)
    assert groups['colour'] and groups['count']
    items = read_language(output, 'questions', images=tmp_path)
    perfect = [ReplyRecord(key=str(row.question_id), text=row.label) for row in rows]
    numbers = score(items, 'answer', perfect, resamples=1).numbers
    for kind in ('yes/no', 'number', 'colour', 'statement'):
        assert numbers[f'{kind} accuracy'].value == 1
    status = main([*asked, '--images', str(tmp_path), '--resamples', '1'])
    told = json.loads(capsys.readouterr().out)
    answered = told['coverage']
    assert status == 0
    assert sum(answered[name] for name in ('answered', 'abstained', 'failed')) == len(rows)
    assert told['groups']['count: number']['items'] and told['groups']['count: statement']['items']


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        (['nowhere.json', '-o', 'q.jsonl'], 'there is no file or folder nowhere.json'),
        (['{truth}', '-o', 'q.jsonl', '--min-side', '900'], 'nothing can be asked'),
        (['{truth}', '-o', 'q.jsonl', '--seed', '-1'], '--seed must be 0 or more'),
        (['{truth}', '-o', 'q.jsonl', '--colours', '{colours}'], "the colour 'mauve'"),
        (['{truth}', '-o', 'q.jsonl', '--colours', '{paint}'], 'has a track id of'),
        (['{truth}', '-o', ''], '--output is empty'),
    ],
)
def test_bad_input_is_one_line(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    record = FrameRecord(
        key='a',
        source='a.png',
        index=0,
        image=ImageRecord(file='a.png', width=90, height=90),
        status=Status.OK,
        detections=(DetectionRecord(label='dog', score=1, xyxy=(9, 9, 60, 60)),),
    )
    write_coco([record], ('dog', 'cat'), tmp_path)
    (tmp_path / 'colours.yaml').write_text('1: mauve\n')
    (tmp_path / 'paint.yaml').write_text('1: red\n')
    places = {'truth': 'annotations/instances_train.json', 'colours': 'colours.yaml'}
    places['paint'] = 'paint.yaml'
    assert main(['questions', *(part.format(**places) for part in arguments)]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count('\n') == 1
    assert not (tmp_path / 'q.jsonl').exists()
