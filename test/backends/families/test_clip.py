"""Two-tower models of transformers against the library's own way: its processor, its scores."""

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
import pytest
from tiny import clip
import torch
from transformers import (
    AlignProcessor,
    AltCLIPProcessor,
    AutoImageProcessor,
    AutoTokenizer,
    ChineseCLIPProcessor,
    CLIPProcessor,
    EfficientNetImageProcessor,
    FlavaProcessor,
    Siglip2Processor,
    SiglipProcessor,
)

from vlm_ros import backends
from vlm_ros.alignment import similarity
from vlm_ros.backends.engine.checkpoint import load_processor, open_checkpoint
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.errors import (
    BackendError,
    InputError,
    MissingDependencyError,
    QuestionError,
    VocabularyError,
    WorkCancelled,
)
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import ImageTextMatcher, Ticket

TOLERANCE = 2e-5
"""Of scores and of unit vectors, both ways in float32."""
NAMES = ('cat', 'coffee cup', 'traffic light', '猫', 'person', 'empty box')
TEXTS = ('a cat sleeps on the table', 'two dogs', 'what is it?')
PROCESSORS = {
    'align': AlignProcessor,
    'altclip': AltCLIPProcessor,
    'chinese_clip': ChineseCLIPProcessor,
    'clip': CLIPProcessor,
    'flava': FlavaProcessor,
    'metaclip_2': CLIPProcessor,
    'siglip': SiglipProcessor,
    'siglip2': Siglip2Processor,
}
SIGMOID = ('siglip', 'siglip2')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    saved = {}

    def get(kind):
        if kind not in saved:
            saved[kind] = tmp_path_factory.mktemp('clip') / kind
            saved[kind].mkdir()
            with torch.random.fork_rng():
                torch.manual_seed(7)
                clip.save(saved[kind], kind)
        return saved[kind]

    return get


@pytest.fixture(scope='module')
def load(folder):
    return lambda kind, **options: backends.load(
        'clip',
        **{'model': str(folder(kind)), 'dtype': 'float32', 'preprocess': 'exact', **options},
    )


@pytest.fixture(scope='module', params=clip.MODELS)
def kind(request):
    return request.param


@pytest.fixture(scope='module')
def exact(load, kind):
    return load(kind)


@pytest.fixture(scope='module')
def clip_model(load):
    return load('clip')


@pytest.fixture(scope='module')
def sigmoid_model(load):
    return load('siglip')


@pytest.fixture(scope='module')
def library(folder, kind):
    """The library's model, and its processor as a function of one image and some texts."""
    path = folder(kind)
    model = clip.MODELS[kind].from_pretrained(path, dtype=torch.float32).eval()
    processor = PROCESSORS[kind](
        AutoImageProcessor.from_pretrained(path), AutoTokenizer.from_pretrained(path)
    )
    options = {'padding': True}
    if kind in (*SIGMOID, 'align'):
        options = {'padding': 'max_length', 'max_length': clip.POSITIONS}
    if kind == 'siglip2':
        options['max_num_patches'] = 16  # the processor would ask for its own default instead
    # Pillow's, because the library takes arrays of one or three rows for channels.
    return model, lambda image, texts: processor(
        images=PillowImage.fromarray(image), text=list(texts), return_tensors='pt', **options
    )


def library_logits(library, image, texts):
    model, process = library
    inputs = process(image, texts)
    with torch.inference_mode():
        if not hasattr(model, 'flava'):
            return model(**inputs).logits_per_image[0]
        # FLAVA scores pairs only, so the image stands beside every text.
        pixels = inputs['pixel_values'].expand(len(texts), -1, -1, -1)
        outputs = model(
            input_ids=inputs['input_ids'],
            attention_mask=inputs['attention_mask'],
            pixel_values=pixels,
            input_ids_masked=inputs['input_ids'],
            return_loss=False,
        )
        return outputs.contrastive_logits_per_image[0]


def library_places(library, image):
    model, process = library
    inputs = process(image, ['a cat'])
    names = ('pixel_values', 'pixel_attention_mask', 'spatial_shapes')
    towers = getattr(model, 'flava', model)
    with torch.inference_mode():
        output = towers.get_image_features(**{n: inputs[n] for n in names if n in inputs})
    features = output.pooler_output
    features = features[:, 0] if features.ndim == 3 else features
    return torch.nn.functional.normalize(features[0], dim=0).numpy()


@pytest.mark.parametrize('names', [NAMES[:1], NAMES], ids=len)
@pytest.mark.parametrize('photo', ['chelsea', 'coffee'])
def test_scores_what_the_library_scores(exact, library, kind, photos, names, photo):
    logits = library_logits(library, photos[photo], [f'a photo of a {name}.' for name in names])
    expected = (logits.sigmoid() if kind in SIGMOID else logits.softmax(0)).numpy()
    found = exact.classify(photos[photo], Vocabulary(names))
    assert found.labels == names
    assert found.exclusive == (kind not in SIGMOID)
    np.testing.assert_allclose(found.scores, expected, atol=TOLERANCE)
    if len(names) > 1:
        assert np.ptp(found.scores) > 0.01  # else equal ones prove nothing


@pytest.mark.parametrize('shape', [(1, 1), (3, 3), (8, 2000), (300, 70)], ids=str)
def test_odd_sizes_make_no_difference(exact, library, photos, shape):
    tiles = (1, -(-shape[1] // photos['coffee'].shape[1]), 1)
    image = np.ascontiguousarray(np.tile(photos['coffee'], tiles)[: shape[0], : shape[1]])
    places = exact.encode_images([image])
    np.testing.assert_allclose(places[0], library_places(library, image), atol=TOLERANCE)


def test_images_together_are_placed_as_they_are_alone(load, kind, exact, photos):
    images = [photos[name] for name in ('chelsea', 'coffee', 'astronaut')]
    together = load(kind, max_batch=2).encode_images(images)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for image, place in zip(images, together, strict=True):
        np.testing.assert_allclose(place, exact.encode_images([image])[0], atol=TOLERANCE)
    assert exact.encode_images([]).shape == (0, together.shape[1])


def test_texts_and_images_meet_in_the_library_s_logits(exact, library, photos):
    image = photos['astronaut']
    texts = exact.encode_texts(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-6)
    cosines = texts @ exact.encode_images([image])[0]
    logits = library_logits(library, image, TEXTS).numpy()
    towers = exact._towers
    expected = (logits - (towers.bias or 0)) / towers.scale
    np.testing.assert_allclose(cosines, expected, atol=TOLERANCE)


def test_only_what_was_trained_with_a_sigmoid_matches_single_texts(exact, library, kind, photos):
    assert isinstance(exact, ImageTextMatcher) == hasattr(exact, 'match') == (kind in SIGMOID)
    if kind in SIGMOID:
        expected = library_logits(library, photos['chelsea'], TEXTS).sigmoid().numpy()
        found = exact.match(photos['chelsea'], TEXTS)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        alone = exact.match(photos['chelsea'], TEXTS[1:2])
        np.testing.assert_allclose(alone, found[1:2], atol=TOLERANCE)


def test_fast_preprocessing_sees_nearly_the_same(load, kind, exact, photos):
    images = [photos[name] for name in ('chelsea', 'coffee', 'astronaut')]
    fast = load(kind, preprocess='fast').encode_images(images)
    cosines = (fast * exact.encode_images(images)).sum(axis=1)
    assert cosines.min() > 0.995
    assert cosines.max() < 1 - 1e-7  # or the option does nothing


def test_bfloat16_places_nearly_the_same(load, kind, exact, photos):
    model = load(kind, dtype='bfloat16')
    images = [photos['chelsea'], photos['coffee']]
    places = model.encode_images(images)
    assert places.dtype == np.float32
    assert (places * exact.encode_images(images)).sum(axis=1).min() > 0.97
    scores = model.classify(images[0], Vocabulary(NAMES)).scores
    expected = exact.classify(images[0], Vocabulary(NAMES)).scores
    np.testing.assert_allclose(scores, expected, atol=0.15)


def test_a_vocabulary_is_read_once(load, photos):
    model = load('clip')
    read = []
    towers = model._towers
    model._seat(
        type(towers)(
            **{**vars(towers), 'read': lambda texts: read.append(1) or towers.read(texts)}
        )
    )
    first = model.classify(photos['coffee'], Vocabulary(NAMES))
    again = model.classify(photos['coffee'], Vocabulary(NAMES))
    np.testing.assert_array_equal(first.scores, again.scores)
    model.match_regions(photos['coffee'], np.array([[0, 0, 50, 50]]), NAMES)
    assert len(read) == 1
    model.release_memory()
    model.classify(photos['coffee'], Vocabulary(NAMES))
    assert len(read) == 2


def test_capitals_are_read_as_the_models_were_trained(sigmoid_model, photos):
    found = sigmoid_model.match(photos['coffee'], ['A CAT on a table', 'a cat on a table'])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert abs(found[0] - sigmoid_model.match(photos['coffee'], ['two dogs'])[0]) > 1e-4


@pytest.mark.parametrize('kind_of_limit', ['clip', 'siglip', 'altclip'])
def test_texts_that_are_too_long_are_named_not_cut(load, photos, kind_of_limit):
    model = load(kind_of_limit)
    name = 'qz ' * 30
    image = photos['coffee']
    with pytest.raises(VocabularyError, match=r'qz.*tokens.*reads.*shorten'):
        model.classify(image, Vocabulary(('cat', name)))
    with pytest.raises(QuestionError, match='shorten'):
        model.encode_texts(['a cat', name])
    with pytest.raises(QuestionError, match='shorten'):
        model.match_regions(image, np.array([[0, 0, 50, 50]]), [name])


def test_a_text_of_all_the_tokens_there_are_is_read(load):
    model = load('altclip')  # whose positions begin behind the padding's
    counts = {model._count_tokens(['z' * n])[0]: 'z' * n for n in range(40)}
    limit = model._towers.max_tokens
    assert model.encode_texts([counts[limit]]).shape[0] == 1
    with pytest.raises(QuestionError):
        model.encode_texts([counts[limit + 1]])


def test_regions_are_compared_by_their_crops(load, kind, photos):
    model, image = load(kind, context=0.0), photos['chelsea']
    # Squares, which no tower squeezes or cuts.
    boxes = np.array([[10, 20, 110, 120], [200, 50, 330, 180]], np.float32)
    crops = [np.ascontiguousarray(image[20:120, 10:110]), image[50:180, 200:330].copy()]
    found = model.match_regions(image, boxes, NAMES)
    expected = similarity(
        model.encode_images(crops), model.encode_texts([f'a photo of a {n}.' for n in NAMES])
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_context_is_added_on_every_side(load, clip_model, photos):
    image = photos['chelsea']
    inner = np.array([[100, 100, 200, 200]], np.float32)
    outer = np.array([[75, 75, 225, 225]], np.float32)
    wide = load('clip', context=0.0).match_regions(image, outer, NAMES)
    np.testing.assert_allclose(clip_model.match_regions(image, inner, NAMES), wide, atol=TOLERANCE)


def test_boxes_over_the_edge_are_clipped(clip_model, photos):
    image = photos['chelsea']  # 451 wide, 300 high
    inside = np.array([[400, 200, 451, 300]], np.float32)
    over = np.array([[400, 200, 1e6, 555]], np.float32)
    np.testing.assert_array_equal(
        clip_model.match_regions(image, inside, NAMES),
        clip_model.match_regions(image, over, NAMES),
    )


def test_the_ends_of_a_long_region_count(load, photos):
    # CLIP's preprocessing cuts off the ends of whatever is not square.
    model, image = load('clip', context=0.0), photos['chelsea'].copy()
    box = np.array([[0, 100, 450, 150]], np.float32)
    before = model.match_regions(image, box, NAMES)
    image[100:150, 380:450] = 255 - image[100:150, 380:450]
    assert np.abs(model.match_regions(image, box, NAMES) - before).max() > 1e-3


@pytest.mark.parametrize('regions', [0, 2])
@pytest.mark.parametrize('words', [(), NAMES])
def test_no_regions_or_no_words_make_an_empty_matrix(clip_model, photos, regions, words):
    boxes = np.array([[0, 0, 50, 50], [9, 9, 80, 90]], np.float32)[:regions]
    found = clip_model.match_regions(photos['coffee'], boxes, words)
    assert found.shape == (regions, len(words))
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    'box',
    [(50, 50, 50, 90), (90, 50, 50, 90), (-50, 0, -10, 90), (700, 0, 800, 90), (0, 0, np.nan, 9)],
    ids=str,
)
def test_boxes_without_a_pixel_are_named(clip_model, photos, box):
    boxes = np.array([[0, 0, 50, 50], box], np.float32)
    with pytest.raises(InputError, match=r'box 1 .*remove it'):
        clip_model.match_regions(photos['coffee'], boxes, NAMES)


def test_what_is_no_box_is_refused(clip_model, photos):
    with pytest.raises(InputError, match=r'\(R, 4\)'):
        clip_model.match_regions(photos['coffee'], np.zeros((2, 3)), NAMES)


def test_a_box_of_less_than_a_pixel_is_looked_at(clip_model, photos):
    boxes = np.array([[10.2, 10.2, 10.4, 10.4]], np.float32)
    assert np.isfinite(clip_model.match_regions(photos['coffee'], boxes, NAMES)).all()


@pytest.mark.parametrize('texts', [[], [''], ['a cat', ' \n']])
def test_no_text_is_refused(sigmoid_model, photos, texts):
    with pytest.raises(QuestionError):
        sigmoid_model.encode_texts(texts)
    with pytest.raises(QuestionError):
        sigmoid_model.match(photos['coffee'], texts)


def test_reading_many_names_can_be_cancelled_between_parts(load, photos):
    model = load('clip')
    towers, ticket = model._towers, Ticket()

    def read(texts):
        ticket.cancel()
        return towers.read(texts)

    model._seat(type(towers)(**{**vars(towers), 'read': read}))
    names = Vocabulary(tuple(f'thing {i}' for i in range(100)))
    with pytest.raises(WorkCancelled):
        model.classify(photos['coffee'], names, ticket=ticket)
    assert len(model.classify(photos['coffee'], names).scores) == 100  # nothing half-read is kept


@pytest.mark.parametrize(('kind_to_run', 'runtime'), [('clip', 'onnx'), ('siglip', 'openvino')])
def test_an_exported_tower_places_the_same(
    load, photos, kind_to_run, runtime, tmp_path, monkeypatch
):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    model = load(kind_to_run, runtime=runtime)
    assert len(list((tmp_path / 'exported').iterdir())) == 1
    images = [photos['chelsea'], photos['coffee']]
    expected = load(kind_to_run).encode_images(images)
    np.testing.assert_allclose(model.encode_images(images), expected, atol=1e-4)


@pytest.mark.parametrize(
    ('kind_to_run', 'options', 'message'),
    [
        ('clip', {'prompt': 'a photo'}, 'one {}'),
        ('clip', {'context': -1.0}, 'context'),
        ('clip', {'max_batch': 0}, 'max_batch'),
        ('clip', {'preprocess': 'slow'}, 'fast or exact'),
        ('clip', {'runtime': 'tensor'}, 'unknown'),
        ('siglip2', {'preprocess': 'slow'}, 'fast or exact'),
        ('siglip2', {'runtime': 'onnx'}, 'use runtime=torch'),
    ],
)
def test_options_that_cannot_be_are_refused(load, kind_to_run, options, message):
    with pytest.raises(BackendError, match=message):
        load(kind_to_run, **options)


def test_a_missing_library_is_named(folder):
    class NeedsPieces:
        @classmethod
        def from_pretrained(cls, *_, **__):
            raise ImportError('it requires the SentencePiece library:\n install it')

    with pytest.raises(MissingDependencyError, match=r'NeedsPieces of clip needs.*SentencePiece'):
        load_processor(NeedsPieces, open_checkpoint(str(folder('clip')), backend='clip'))


@pytest.mark.parametrize('include_top', [False, True])
def test_fast_pixels_are_the_processor_s_where_nothing_is_resized(photos, include_top):
    # ALIGN's: cut out of the centre, values from -1 to 1; as trained for classes with a mean too.
    processor = EfficientNetImageProcessor(
        size={'height': 80, 'width': 76},
        crop_size={'height': 64, 'width': 64},
        do_center_crop=True,
        rescale_factor=1 / 127.5 if not include_top else 1 / 255,
        rescale_offset=not include_top,
        do_normalize=include_top,
        include_top=include_top,
    )
    image = np.ascontiguousarray(photos['coffee'][:80, :76])
    made = [
        Pixels(processor, preprocess=how)([image], device=torch.device('cpu'), dtype=torch.float32)
        for how in ('fast', 'exact')
    ]
    assert made[0].shape == (1, 3, 64, 64)
    torch.testing.assert_close(made[0], made[1], atol=1e-5, rtol=0)


def test_the_example_in_the_documents_runs(folder, photos):
    page = (Path(__file__).parents[3] / 'docs/families/two_towers.md').read_text('utf-8')
    code = page.split('```python\n')[1].split('```')[0]
    assert code.count('google/siglip2-base-patch16-224') == 1
    scope = {}
    exec(code.replace('google/siglip2-base-patch16-224', str(folder('siglip'))), scope)
    label, regions, text = scope['describe'](photos['coffee'])
    assert label in ('kitchen', 'corridor', 'garden')
    assert regions.shape == (2,)
    assert text in ('a cat on a table', 'an empty table')
