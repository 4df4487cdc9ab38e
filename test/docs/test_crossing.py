"""A robot's behaviour and its test: who cannot see does not cross."""

import subprocess
import sys
import time

from lifecycle_msgs.srv import GetState
import pytest
import rclpy
from sensor_msgs.msg import Image

from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion

PERCEPTION = [sys.executable, '-m', 'vlm_ros.nodes.perception', '--ros-args']  # or: ros2 run


def next_action(response):
    """Cross only where the model looked and saw nobody."""
    if response.status.code == ResultStatus.OK:
        return 'cross' if response.answer == 'no' else 'wait'
    return 'ask again' if response.status.code == ResultStatus.TIMEOUT else 'stop'


def wait_until_active(robot, node):
    """Wait until a managed node works; before that it answers FAILED and says why."""
    client = robot.create_client(GetState, f'{node}/get_state')
    assert client.wait_for_service(timeout_sec=30)
    for _ in range(300):
        future = client.call_async(GetState.Request())
        rclpy.spin_until_future_complete(robot, future, timeout_sec=1)
        if future.done() and future.result().current_state.label == 'active':
            return
        time.sleep(0.1)
    raise AssertionError(f'{node} did not become active')


@pytest.fixture
def ask():
    """Start the perception process with a script; returns what it answers."""
    processes = []
    rclpy.init()
    robot = rclpy.create_node('robot')
    client = robot.create_client(AnswerQuestion, 'answer_question')

    def start_and_ask(script, **request):
        parameters = {'nodes': 'query', 'backend': 'fake', 'backend_options': f'script={script}'}
        args = [arg for item in parameters.items() for arg in ('-p', ':='.join(item))]
        processes.append(subprocess.Popen([*PERCEPTION, *args]))
        wait_until_active(robot, 'query')
        assert client.wait_for_service(timeout_sec=30)
        image = Image(height=48, width=64, encoding='rgb8', step=192, data=bytes(48 * 192))
        future = client.call_async(AnswerQuestion.Request(image=image, **request))
        rclpy.spin_until_future_complete(robot, future, timeout_sec=30)
        return future.result()

    yield start_and_ask
    for process in processes:
        process.terminate()
        process.wait()
    robot.destroy_node()
    rclpy.shutdown()


@pytest.mark.parametrize(
    ('script', 'code', 'answer', 'action'),
    [
        ('ok', ResultStatus.OK, 'yes', 'wait'),
        ('empty', ResultStatus.OK, 'no', 'cross'),
        ('fail', ResultStatus.FAILED, '', 'stop'),
        ('crash', ResultStatus.FAILED, '', 'stop'),
        ('oom', ResultStatus.FAILED, '', 'stop'),
        ('hang', ResultStatus.TIMEOUT, '', 'ask again'),
    ],
)
def test_who_cannot_see_does_not_cross(ask, script, code, answer, action):
    response = ask(script, question='Is there a person?', timeout_s=2.0)
    assert (response.status.code, response.answer) == (code, answer)
    assert next_action(response) == action
