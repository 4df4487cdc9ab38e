"""The perception process, started as users start it."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from vlm_ros.nodes.perception import NODES
from vlm_ros_interfaces.msg import Caption, PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion

CONFIG = Path(__file__).parents[2] / 'config'
NAMES = ('detector', 'captioner', 'query', 'overlay', 'image_source')
FAKE = ['-p', 'backend:=fake', '-p', f'nodes:={", ".join(NAMES)}']
SOON_S = 10.0
"""An idle machine takes less than one; a busy one must not fail a test."""


@pytest.fixture
def perception():
    """Start the process; it is ended after the test."""
    processes = []

    def start(*args, params_file=CONFIG / 'perception.yaml'):
        command = [sys.executable, '-m', 'vlm_ros.nodes.perception', '--ros-args']
        process = subprocess.Popen(
            [*command, '--params-file', str(params_file), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_whole_graph_runs_in_one_process(graph, perception):
    perception(*FAKE, '-r', '__ns:=/robot')
    graph.start()
    topics = {
        'image': Image,
        'detections': Detection2DArray,
        'detections/status': PerceptionStatus,
        'caption': Caption,
        'overlay': Image,
    }
    messages = {name: graph.collect(kind, f'/robot/{name}') for name, kind in topics.items()}
    graph.spin_until(lambda: all(messages.values()), 'a message on every topic')
    assert {s.status.code for s in messages['detections/status'] if s.frames_processed} == {
        ResultStatus.OK
    }
    nodes = {name for name, _ in graph.client.get_node_names_and_namespaces()}
    assert {'perception', *NAMES} <= nodes
    response = graph.call(
        AnswerQuestion,
        '/robot/answer_question',
        AnswerQuestion.Request(question='Is there a person?'),
    )
    assert response.answer == 'yes', response.status.message


def test_a_remap_moves_the_image_of_every_node(graph, perception):
    perception('-p', 'backend:=fake', '-r', 'image:=/camera/image_raw')
    graph.start()
    found = graph.collect(Detection2DArray, 'detections')
    captions = graph.collect(Caption, 'caption')
    # More than once: the first may come before the nodes are active.
    graph.spin_until(
        lambda: graph.publish(graph.stamped(), '/camera/image_raw') or (found and captions)
    )
    assert graph.client.count_subscribers('/image') == 0


@pytest.mark.parametrize('delay_s', [0.2, 0.7, 1.5, 4.0])
def test_sigint_ends_it(perception, delay_s):
    process = perception(*FAKE)
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=SOON_S)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_sigint_ends_it_while_the_model_hangs(graph, perception):
    process = perception(*FAKE, '-p', 'backend_options:=script=hang')
    graph.start()
    graph.spin_until(lambda: graph.client.get_publishers_info_by_topic('/detections'))
    graph.spin_for(1.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=SOON_S) == 0


def test_a_bad_parameter_is_one_line_and_exit_code_2(perception):
    process = perception('-p', 'nodes:=detector, detecter')
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    lines = output.strip().splitlines()
    assert len(lines) == 1
    assert "there is no node 'detecter'" in lines[0]


def test_every_executable_of_the_package_is_there():
    for name in NODES:
        process = subprocess.run(
            [sys.executable, '-c', f'from vlm_ros.nodes.{name} import main; print(main)'],
            check=False,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
