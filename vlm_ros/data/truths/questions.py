"""Questions with answers: VQA v2, GQA, nuScenes-QA and POPE.

These are arXiv 1612.00837, 1902.09506, 2305.14836 and 2305.10355.

VQA v2 has the questions in one file and ten people's answers to each in another. GQA has one file,
a dict by the question's number. nuScenes-QA has a list of questions without numbers, which are
counted from 0 here, each about a sample of nuScenes, that is six pictures at once. POPE has a line
of JSON for each question of yes or no.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from vlm_ros.data.formats.truth import content
from vlm_ros.data.truths.items import LanguageTruth, Question
from vlm_ros.data.truths.json_files import checked, load, load_lines
from vlm_ros.data.truths.pictures import pictures_near
from vlm_ros.errors import InputError

PEOPLE = 10
"""How many people answered each question of VQA."""


class _Answer(BaseModel):
    answer: str


class _Annotation(BaseModel):
    question_id: int
    answers: list[_Answer] = Field(min_length=1)
    answer_type: str = ''


class _Annotations(BaseModel):
    annotations: list[_Annotation]
    data_subtype: str = ''


class _VqaQuestion(BaseModel):
    question_id: int
    image_id: int
    question: str


class _VqaQuestions(BaseModel):
    questions: list[_VqaQuestion]
    data_subtype: str = ''


class _Types(BaseModel):
    structural: str = ''


class _GqaQuestion(BaseModel):
    imageId: str  # noqa: N815 - the file's own name
    question: str
    answer: str
    types: _Types = _Types()


class _SampleQuestion(BaseModel):
    sample_token: str
    question: str
    answer: str
    template_type: str = ''


class _SampleQuestions(BaseModel):
    questions: list[_SampleQuestion]


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class _PopeQuestion(BaseModel):
    question_id: int
    image: str
    text: str
    label: Annotated[Literal['yes', 'no'], BeforeValidator(_lowered)]


def read_vqa_v2(path: Path, *, images: Path | None = None) -> LanguageTruth:
    """Read VQA v2; keys are the numbers of the questions.

    Args:
        path: The file of questions; that of the annotations lies beside it.
        images: The folder of COCO's pictures; None to look around.

    Raises:
        InputError: A file is missing, damaged or no such dataset's, or a question has not ten
            answers.
    """
    asked = checked(load(path), _VqaQuestions, path, "VQA's questions")
    file = _annotations_beside(path, asked.data_subtype)
    told = checked(load(file), _Annotations, file, "VQA's annotations")
    answers = {row.question_id: row for row in told.annotations}
    items = []
    for row in asked.questions:
        if row.question_id not in answers:
            raise InputError(f'question {row.question_id} of {path} has no answers in {file}')
        own = answers[row.question_id]
        if len(own.answers) < PEOPLE:
            raise InputError(
                f'question {row.question_id} has {len(own.answers)} answers in {file}, and the '
                f'rule of VQA is for {PEOPLE}; repeat each answer until there are {PEOPLE}'
            )
        picture = f'COCO_{asked.data_subtype}_{row.image_id:012d}.jpg'
        given = tuple(answer.answer for answer in own.answers)
        key = str(row.question_id)
        items.append(Question(key, (picture,), row.question, own.answer_type, given))
    return _truth(items, 'vqa_v2', path, images)


def read_gqa(path: Path, *, images: Path | None = None) -> LanguageTruth:
    """Read GQA; keys are the numbers of the questions.

    Args:
        path: Such as `val_balanced_questions.json`.
        images: The folder of the pictures; None to look around.

    Raises:
        InputError: The file is damaged or no such dataset's.
    """
    rows: dict[str, _GqaQuestion] = checked(
        load(path), dict[str, _GqaQuestion], path, "GQA's questions"
    )
    items = [
        Question(key, (f'{row.imageId}.jpg',), row.question, row.types.structural, (row.answer,))
        for key, row in rows.items()
    ]
    return _truth(items, 'gqa', path, images)


def read_nuscenes_qa(path: Path, *, images: Path | None = None) -> LanguageTruth:
    """Read nuScenes-QA; keys are the places of the questions in the file, from 0.

    Args:
        path: Such as `NuScenes_val_questions.json`.
        images: A folder with a picture of each sample, named after its token; the dataset has no
            such, because a question is about all six cameras.

    Raises:
        InputError: The file is damaged or no such dataset's.
    """
    rows = checked(load(path), _SampleQuestions, path, "nuScenes-QA's questions").questions
    items = [
        Question(
            str(number), (f'{row.sample_token}.jpg',), row.question, row.template_type,
            (row.answer,),
        )
        for number, row in enumerate(rows)
    ]  # fmt: skip
    return _truth(items, 'nuscenes_qa', path, images)


def read_pope(path: Path, *, images: Path | None = None) -> LanguageTruth:
    """Read POPE; keys are the numbers of the questions.

    Args:
        path: Such as `coco_pope_adversarial.json`.
        images: The folder of COCO's pictures; None to look around.

    Raises:
        InputError: The file is damaged or no such dataset's.
    """
    # Those of GQA and A-OKVQA are published as a list, those of COCO as lines.
    is_list = content(path).lstrip().startswith('[')
    value = load(path) if is_list else load_lines(path)
    rows = checked(value, list[_PopeQuestion], path, "POPE's questions")
    items = [
        Question(str(row.question_id), (row.image,), row.text, '', (row.label,)) for row in rows
    ]
    return _truth(items, 'pope', path, images)


def _truth(items: list[Question], layout: str, path: Path, images: Path | None) -> LanguageTruth:
    if not items:
        raise InputError(f'{path} has no questions')
    pictures = images or pictures_near(path.parent, [items[0].images[0]])
    return LanguageTruth(items, layout, pictures)


def _annotations_beside(path: Path, subtype: str) -> Path:
    """Return the file of answers; by what is in it, as the names differ between releases."""
    found: list[Path] = []
    damaged = ''
    for file in sorted(path.parent.glob('*annotations*.json')):
        try:
            value: Any = load(file)
        except InputError as error:
            damaged = f' ({error})'
            continue
        rows = value.get('annotations') if isinstance(value, dict) else None
        first = rows[0] if isinstance(rows, list) and rows else None
        is_own = isinstance(first, dict) and 'question_id' in first
        if is_own and value.get('data_subtype', subtype) == subtype:
            found.append(file)
    if len(found) != 1:
        told = ', '.join(file.name for file in found) or f'none{damaged}'
        raise InputError(
            f'the answers to {path} should be in one file *annotations*.json of {subtype!r} '
            f'beside it, and there is {told}'
        )
    return found[0]
