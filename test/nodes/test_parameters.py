"""Parameters: dataclasses, YAML and the launch file agree, and bad values are refused."""

import ast
from dataclasses import fields
from pathlib import Path
import re

import pytest
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
import yaml

from vlm_ros.errors import BackendError, InputError
from vlm_ros.nodes.annotator_parameters import AnnotatorParameters
from vlm_ros.nodes.captioner import CaptionerParameters
from vlm_ros.nodes.detector import DetectorNode, DetectorParameters
from vlm_ros.nodes.image_source import ImageSourceParameters
from vlm_ros.nodes.memory import MemoryParameters
from vlm_ros.nodes.monitor import MonitorParameters
from vlm_ros.nodes.overlay import OverlayParameters
from vlm_ros.nodes.parameters import unknown_parameters
from vlm_ros.nodes.perception import NODES, PerceptionNode, PerceptionParameters
from vlm_ros.nodes.query import QueryParameters
from vlm_ros.nodes.shared import candidates

ROOT = Path(__file__).parents[2]
PARAMETERS = {
    'perception': PerceptionParameters,
    'image_source': ImageSourceParameters,
    'detector': DetectorParameters,
    'captioner': CaptionerParameters,
    'query': QueryParameters,
    'overlay': OverlayParameters,
    'memory': MemoryParameters,
    'monitor': MonitorParameters,
    'annotator': AnnotatorParameters,
}


def test_every_node_has_its_parameters_here():
    assert PARAMETERS.keys() == {'perception', 'annotator', *NODES}


@pytest.mark.parametrize('path', sorted((ROOT / 'config').glob('*.yaml')), ids=lambda p: p.name)
def test_every_yaml_loads_and_names_only_parameters_there_are(path):
    for key, section in yaml.safe_load(path.read_text()).items():
        cls = PARAMETERS[key.removeprefix('/**/')]
        given = section['ros__parameters']
        assert given.keys() <= {f.name for f in fields(cls)}
        lists = {f.name for f in fields(cls) if isinstance(f.default, tuple)}
        as_lists = {k: v.split(', ') if isinstance(v, str) and v else v for k, v in given.items()}
        cls(**{k: tuple(as_lists[k]) if k in lists else v for k, v in given.items()})


def test_perception_yaml_has_every_parameter_at_its_default_with_a_comment():
    text = (ROOT / 'config' / 'perception.yaml').read_text()
    sections = yaml.safe_load(text)
    for name, cls in PARAMETERS.items():
        given = sections[f'/**/{name}']['ros__parameters']
        defaults = {
            f.name: (list(f.default) or '') if isinstance(f.default, tuple) else f.default
            for f in fields(cls)
        }
        assert given == defaults
        assert list(given) == list(defaults), 'keep the order of the dataclass'


LAUNCH, ANNOTATE = (
    ast.parse((ROOT / 'launch' / f'{name}.launch.py').read_text())
    for name in ('perception', 'annotate')
)


def keys_of(table, launch=LAUNCH):
    (found,) = (
        n.value for n in launch.body if isinstance(n, ast.Assign) and n.targets[0].id == table
    )
    return [key.value for key in found.keys if key is not None]


@pytest.mark.parametrize(
    ('launch', 'executables'), [(LAUNCH, ('perception', *NODES)), (ANNOTATE, ('annotator',))]
)
def test_the_launch_files_name_what_exists(launch, executables):
    texts = {n.value for n in ast.walk(launch) if isinstance(n, ast.Constant)}
    setup = (ROOT / 'setup.py').read_text()
    for executable in executables:
        assert executable in texts
        assert re.search(rf"'{executable} = vlm_ros\.nodes\.{executable}:main'", setup) or (
            executable in setup
        )
    assert {'config', 'fastdds.xml', 'perception.yaml'} <= texts
    for name in ('perception.yaml', 'fastdds.xml'):
        assert (ROOT / 'config' / name).is_file()


def test_the_launch_file_sets_parameters_there_are():
    types = {f.name: type(f.default) for cls in PARAMETERS.values() for f in fields(cls)}
    assert {types[name] for name in keys_of('TEXTS')} <= {str, tuple}
    assert {'source', 'nodes', 'autostart'} <= types.keys()
    types = {f.name: type(f.default) for f in fields(AnnotatorParameters)}
    assert {types[name] for name in ('output', *keys_of('TEXTS', ANNOTATE))} <= {str, tuple}
    assert {types[name] for name in keys_of('SWITCHES', ANNOTATE)} == {bool}
    assert types['max_rate_hz'] is float


def test_the_readme_names_every_argument_of_the_launch_file():
    readme = (ROOT / 'README.md').read_text()
    (listed,) = re.findall(r'--show-args` lists the arguments:(.*?)\.\s', readme, re.DOTALL)
    documented = re.findall(r'`([a-z_]+)`', listed)
    assert sorted(documented) == sorted(keys_of('TEXTS') + keys_of('ARGUMENTS'))


def test_descriptions_ranges_and_read_only_reach_the_node(graph):
    graph.start(DetectorNode, detector={'backend': 'fake'})
    names = [f.name for f in fields(DetectorParameters)]
    described = graph.call(
        DescribeParameters, 'detector/describe_parameters', DescribeParameters.Request(names=names)
    ).descriptors
    for f, descriptor in zip(fields(DetectorParameters), described, strict=True):
        assert descriptor.description == f.metadata['description']
        assert descriptor.read_only == f.metadata['read_only']
        ranges = descriptor.floating_point_range or descriptor.integer_range
        assert bool(ranges) == (f.metadata['bounds'] is not None)


@pytest.mark.parametrize(
    'change', [{'cameras': 'front'}, {'score_threshold': 1.5}, {'max_detections': 0}]
)
def test_a_change_out_of_bounds_is_refused(graph, change):
    graph.start(DetectorNode, detector={'backend': 'fake'})
    request = SetParameters.Request(
        parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in change.items()]
    )
    (result,) = graph.call(SetParameters, 'detector/set_parameters', request).results
    assert not result.successful
    assert result.reason


@pytest.mark.parametrize(
    ('value', 'reason'),
    [
        ("''", 'the vocabulary is empty'),
        ('[1, 2]', "parameter 'vocabulary' must be"),
        ('7', "parameter 'vocabulary' must be"),
        ('[cup, cup]', "names 'cup' twice"),
    ],
)
def test_a_bad_value_at_the_start_is_one_clear_error(graph, value, reason):
    with pytest.raises(InputError, match=reason):
        graph.start(DetectorNode, detector={'backend': 'fake', 'vocabulary': value})


def test_a_value_of_the_wrong_type_at_the_start_names_the_parameter(graph):
    with pytest.raises(InputError, match="parameter 'score_threshold' must be a float"):
        graph.start(DetectorNode, detector={'backend': 'fake', 'score_threshold': 'high'})


@pytest.mark.parametrize(
    ('given', 'line'),
    [
        (
            'nods:=detector',
            'nods is ignored: perception has no such parameter; did you mean nodes?',
        ),
        ('x9:=1', 'x9 is ignored: perception has no such parameter; see config/perception.yaml'),
        ('perception:nods:=[detector]', 'did you mean nodes?'),
        ('detector:nodes:=1', "detector:nodes is ignored: there is no node 'detector' here"),
    ],
)
def test_a_parameter_on_the_command_line_that_no_node_has_is_told(graph, given, line):
    graph.start(lambda _: PerceptionNode())
    args = ['perception', '-p', 'no=ros', '--ros-args', '-p', given, '--log-level', 'info']
    (told,) = unknown_parameters(args, graph.nodes)
    assert told.startswith('-p ')
    assert line in told


def test_parameters_that_a_node_has_are_not_told(graph):
    graph.start(lambda _: PerceptionNode())
    texts = [
        'nodes:=detector',
        '/**:nodes:=query',
        'perception:nodes:=query',
        'use_sim_time:=true',
    ]
    args = [word for text in texts for word in ('-p', text)]
    assert unknown_parameters(['--ros-args', *args, '--', '-p', 'x:=1'], graph.nodes) == []


def test_an_unknown_node_is_named(graph):
    with pytest.raises(InputError, match="no node 'detecter'"):
        graph.start(lambda _: PerceptionNode(), perception={'nodes': '[detecter]'})


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'backend_options': 'api_key sk-SECRET'}, "an option 'api_key' that is not name=value"),
        ({'backend_options': 'api_key=[sk-SECRET'}, "the value of 'api_key' cannot be read"),
        ({'fallback': ('fake', '')}, 'fallback has an empty entry'),
    ],
)
def test_options_that_cannot_be_read_are_refused_without_their_values(given, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        candidates(DetectorParameters(**given))
    assert 'SECRET' not in str(caught.value)


def test_a_secret_of_a_fallback_is_refused_before_it_is_needed():
    with pytest.raises(BackendError, match="'api_key' looks like a secret"):
        candidates(DetectorParameters(backend='fake', fallback=('fake api_key=x',)))


def test_values_of_backend_options_may_hold_commas():
    given = {'backend': 'fake', 'backend_options': 'script=[ok, fail], load_fails=1'}
    (first,) = candidates(DetectorParameters(**given))
    assert first.load.keywords['script'] == ['ok', 'fail']
    assert first.load.keywords['load_fails'] == 1
