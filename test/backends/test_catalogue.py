"""The catalogue of models, and the document that is made of it."""

from collections import Counter
from pathlib import Path
import re
import subprocess
import sys

import pytest

from vlm_ros import backends
from vlm_ros.backends import catalogue
from vlm_ros.backends.catalogue import CATALOGUE, find, memory_to_run_mb, ModelCard, of_backend
from vlm_ros.backends.catalogue.table import replaced
from vlm_ros.tasks import TASKS

DOCUMENT = Path(__file__).parents[2] / 'docs/models.md'
TEXT = DOCUMENT.read_text('utf-8')
FAMILIES = (
    'owl grounding_dino omdet_turbo clip open_clip vilt bridgetower visual_bert '
    'blip git blip2 kosmos2 florence2 chat clipseg sam'
).split()
DEFAULTS = {
    'owl': 'google/owlvit-base-patch32',
    'grounding_dino': 'IDEA-Research/grounding-dino-tiny',
    'omdet_turbo': 'omlab/omdet-turbo-swin-tiny-hf',
    'clip': 'google/siglip2-base-patch16-224',
    'open_clip': 'laion/CLIP-ViT-B-32-laion2B-s34B-b79K',
    'vilt': 'dandelin/vilt-b32-finetuned-vqa',
    'chat': 'HuggingFaceTB/SmolVLM2-500M-Video-Instruct',
    'sam': 'facebook/sam2.1-hiera-tiny',
}

cards = pytest.mark.parametrize('card', CATALOGUE, ids=lambda card: card.model_id)


@cards
def test_every_card_is_whole(card):
    assert re.fullmatch(r'[\w-]+/[\w.-]+', card.model_id)
    assert card.backend in FAMILIES
    assert card.tasks
    assert set(card.tasks) <= set(TASKS)
    assert len(set(card.tasks)) == len(card.tasks)
    assert re.fullmatch('([0-9a-f]{40})?', card.revision)
    assert re.fullmatch(r'\d{4}\.\d{5}|https://\S+', card.paper)
    for line in (card.architecture, card.code_licence, card.weights_licence):
        assert line
    for line in (card.architecture, card.terms, card.notes):
        assert line == ' '.join(line.split())
        assert '|' not in line  # which would break the table


@cards
def test_what_restricts_is_said(card):
    free = {'Apache-2.0', 'MIT', 'BSD-3-Clause'}
    assert card.terms or card.weights_licence in free


def test_a_model_stands_there_once_and_so_does_a_commit():
    assert Counter(card.model_id for card in CATALOGUE).most_common(1)[0][1] == 1
    pinned = Counter(card.revision for card in CATALOGUE if card.revision)
    assert pinned.most_common(1)[0][1] == 1


def test_every_family_has_a_default():
    assert {card.backend for card in CATALOGUE} == set(FAMILIES)
    assert {backend: of_backend(backend)[0].model_id for backend in DEFAULTS} == DEFAULTS
    for backend in FAMILIES:
        assert not of_backend(backend)[0].terms, 'a default asks for no consent'


def test_find():
    assert find('facebook/sam3').terms.startswith('gated')
    assert find('facebook/sam4') is None
    assert of_backend('nothing') == ()


def test_memory_follows_the_parameters_unless_it_is_known():
    # 4 bytes x 1000 M x 1.2, and 600 MB of libraries
    assert memory_to_run_mb(1000) == 5400
    assert memory_to_run_mb(1000, 1500) == 6100
    about = dict.fromkeys(('model_id', 'backend', 'architecture', 'code_licence'), 'x')
    about |= {'weights_licence': 'MIT', 'paper': '2103.00020', 'tasks': ('detect',)}
    assert ModelCard(**about).memory_mb is None
    assert ModelCard(**about, parameters_m=1000).memory_mb == 5400
    assert ModelCard(**about, parameters_m=1000, memory_mb=7).memory_mb == 7


@pytest.mark.parametrize('info', backends.describe(), ids=lambda info: info.name)
def test_models_do_no_task_that_their_backend_does_not(info):
    for card in of_backend(info.name):
        assert set(card.tasks) <= set(info.tasks), card.model_id


def test_it_imports_no_model_library():
    code = (
        'import sys; import vlm_ros.backends.catalogue;'
        'heavy = {"torch", "transformers", "open_clip", "numpy.f2py"} & set(sys.modules);'
        'assert not heavy, heavy'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60)


def test_the_document_has_the_catalogue_as_it_is():
    assert replaced(TEXT, CATALOGUE) == TEXT, (
        'the tables in docs/models.md are not those of the catalogue; '
        'run: python -m vlm_ros.backends.catalogue docs/models.md'
    )


def test_the_document_is_made_by_the_module(tmp_path):
    copy = tmp_path / 'models.md'
    copy.write_text(replaced(TEXT, CATALOGUE[:1]), 'utf-8')
    assert 'facebook/sam3`: SAM 3' not in copy.read_text('utf-8')
    subprocess.run([sys.executable, '-m', catalogue.__name__, str(copy)], check=True, timeout=60)
    assert copy.read_text('utf-8') == TEXT
    with pytest.raises(ValueError, match='needs the lines'):
        replaced('no marks here', CATALOGUE)


def test_the_document_names_models_that_are_there():
    handwritten = replaced(TEXT, ())
    named = set(re.findall(r'`([\w-]+/[\w.-]+)`', handwritten))
    assert len(named) > 20
    assert {name for name in named if find(name) is None} == set()
    for backend, name in re.findall(r'`(\w+)`: `([\w-]+/[\w.-]+)`', handwritten):
        assert find(name).backend == backend


def rows():
    section = TEXT.partition('## Choose\n')[2].partition('\nMemory is')[0]
    lines = [line for line in section.splitlines() if line.startswith('|')][2:]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


@pytest.mark.parametrize('row', rows(), ids=lambda row: row[0])
def test_the_choice_has_memory_and_licence_of_its_models(row):
    _, where, models, memory, licence, _ = row
    chosen = [find(name) for name in re.findall(r'`([\w-]+/[\w.-]+)`', models)]
    if where == 'network' or (not chosen and models == 'the same'):
        return
    sizes = re.findall(r'(\d+\.\d) GB', memory)
    assert sizes == [f'{card.memory_mb / 1000:.1f}' for card in chosen]
    for card in chosen:
        assert card.weights_licence in licence
