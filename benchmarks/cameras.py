"""Four cameras at 30 Hz on one model, with questions and parameter calls meanwhile.

The graph is the real `perception` executable; its cameras are in a process of their own. Figures
come from `<camera>/detections/status` and from the calls, as a user sees them. An inference is the
median time of a detection in this run; `by_own` counts in the inference that the frame itself had.

`answer` is from call to response. `answer_waited` is the same less the model's own time on that
question: what the request waited for its turn, and the transport. The baseline of the parameter
calls is the same with both nodes deactivated.
"""

from collections.abc import Iterator
import sys
from typing import Any

from lifecycle_msgs.msg import Transition
import numpy as np
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter

from benchmarks._listener import Caller, Listener, LOADING_S, Seen
from benchmarks._processes import CpuMeter, load, process
from benchmarks.reporting import Figure, run
from vlm_ros.nodes.conversions import duration_to_seconds
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion

CAMERAS = ('front', 'left', 'rear', 'right')
NAMES = 'person,car,dog,cat,bicycle,chair,cup,bottle,laptop,book'
WARM_UP_S = 5.0
MEASURED_S = 60.0
IDLE_S = 20.0
QUESTION_PERIOD_S = 0.5
PARAMETER_PERIOD_S = 0.1
QUESTIONS = ('is there a cup?', 'is there a dog?', 'how many spoons are there?')
LOOKED = (
    ResultStatus.OK,
    ResultStatus.NOTHING_FOUND,
    ResultStatus.NOT_IN_VIEW,
    ResultStatus.UNSURE,
)


def main() -> None:
    """Measure everything."""
    run(figures())


def figures() -> Iterator[Figure]:
    """Yield the figures."""
    parameters = {
        'nodes': 'detector,query',
        'cameras': ','.join(CAMERAS),
        'backend': 'embedded',
        'vocabulary': NAMES,
    }
    camera = ['--names', ','.join(CAMERAS), '--size', '640x480']
    with (
        process('vlm_ros.nodes.perception', parameters=parameters) as perception,
        process('benchmarks._camera', camera) as cameras,
        Listener(CAMERAS) as listener,
    ):
        listener.wait_until_active()
        node = listener.node
        questions = Caller(node, AnswerQuestion, 'answer_question', _question, QUESTION_PERIOD_S)
        calls = {
            'get_parameters': Caller(
                node, GetParameters, 'detector/get_parameters', _read, PARAMETER_PERIOD_S
            ),
            'set_parameters': Caller(
                node, SetParameters, 'detector/set_parameters', _write, PARAMETER_PERIOD_S
            ),
        }
        listener.spin(WARM_UP_S)
        listener.clear()
        for caller in (questions, *calls.values()):
            caller.forget()
        cpu, camera_cpu = CpuMeter(perception), CpuMeter(cameras)
        listener.spin(MEASURED_S)
        cores, camera_cores = cpu.cores(), camera_cpu.cores()
        setting = f'4 x 640x480 at 30 Hz, best effort, embedded on cpu, 10 names, {load()}'
        questions.stop()
        listener.spin(LOADING_S, lambda: not questions.is_waiting)
        seen = {name: Seen(name, statuses) for name, statuses in listener.statuses.items()}
        busy_ms = {name: _milliseconds(caller.latencies_s) for name, caller in calls.items()}
        for name in ('detector', 'query'):
            listener.change_state(name, Transition.TRANSITION_DEACTIVATE)
        for caller in calls.values():
            caller.forget()
        listener.spin(IDLE_S)
        idle_ms = {name: _milliseconds(caller.latencies_s) for name, caller in calls.items()}
    yield from _streams(seen, setting)
    inference_s = float(np.median(np.concatenate([one.inferences_s for one in seen.values()])))
    yield from _answers(questions, inference_s, setting)
    for name, busy in busy_ms.items():
        idle = idle_ms[name]
        for percentile, at_most in ((50, None), (99, 20.0)):
            value, baseline = (float(np.percentile(ms, percentile)) for ms in (busy, idle))
            yield Figure(f'cameras.{name}_p{percentile}', value, 'ms', setting, baseline, at_most)
    yield Figure('cameras.cpu', cores, 'cores', setting)
    yield Figure('cameras.cpu_of_cameras', camera_cores, 'cores', setting)


def _streams(seen: dict[str, Seen], setting: str) -> Iterator[Figure]:
    inferences_s = np.concatenate([one.inferences_s for one in seen.values()])
    ages_s = np.concatenate([one.ages_s for one in seen.values()])
    inference_s = float(np.median(inferences_s))
    for name, one in seen.items():
        yield Figure(f'cameras.{name}_received', one.received_hz, 'Hz', setting)
        yield Figure(f'cameras.{name}_rate', one.processed_hz, 'Hz', setting)
    for percentile, which in ((50, 'p50'), (95, 'p95'), (100, 'max')):
        value = 1e3 * float(np.percentile(inferences_s, percentile))
        yield Figure(f'cameras.inference_{which}', value, 'ms', setting)
    for percentile, which, at_most in ((50, 'p50', None), (95, 'p95', None), (100, 'max', 2.0)):
        value = float(np.percentile(ages_s, percentile)) / inference_s
        yield Figure(f'cameras.age_{which}', value, 'inferences', setting, at_most=at_most)
    own = float((ages_s / inferences_s).max())
    yield Figure('cameras.age_max_by_own', own, 'inferences', setting, at_most=2.0)
    most = float(len(seen))
    gap = max(float(one.gaps_s.max()) for one in seen.values()) / inference_s
    yield Figure('cameras.gap_max', gap, 'inferences', setting, at_most=most + 1)
    others = _most_others_between(seen)
    yield Figure('cameras.results_between_max', others, 'results', setting, at_most=most)


def _most_others_between(seen: dict[str, Seen]) -> int:
    """Return how many results of other cameras came between two of one camera, at most."""
    order = sorted((at_s, name) for name, one in seen.items() for at_s in one.published_at_s)
    last = dict.fromkeys(seen, -1)
    most = 0
    for number, (_, name) in enumerate(order):
        if last[name] >= 0:
            most = max(most, number - last[name] - 1)
        last[name] = number
    return most


def _answers(questions: Caller, inference_s: float, setting: str) -> Iterator[Figure]:
    failed = [a.status for a in questions.responses if a.status.code not in LOOKED]
    for status in failed:
        print(f'cameras: a question failed: {status.message}', file=sys.stderr)
    latencies_ms = _milliseconds(questions.latencies_s)
    own_ms = _milliseconds(
        [duration_to_seconds(a.provenance.inference_time) for a in questions.responses]
    )
    at_most = 1e3 * inference_s + 50.0
    yield Figure('cameras.answers', len(latencies_ms), 'answers', setting)
    yield Figure('cameras.answers_failed', len(failed), 'answers', setting, at_most=0)
    yield Figure('cameras.answer_own_work_p50', float(np.median(own_ms)), 'ms', setting)
    for name, values in (('answer', latencies_ms), ('answer_waited', latencies_ms - own_ms)):
        for percentile, which in ((50, 'p50'), (95, 'p95'), (100, 'max')):
            value = float(np.percentile(values, percentile))
            yield Figure(f'cameras.{name}_{which}', value, 'ms', setting, at_most=at_most)


def _question(number: int) -> AnswerQuestion.Request:
    return AnswerQuestion.Request(
        camera=CAMERAS[number % len(CAMERAS)], question=QUESTIONS[number % len(QUESTIONS)]
    )


def _read(number: int) -> GetParameters.Request:
    return GetParameters.Request(names=['score_threshold', 'max_detections'])


def _write(number: int) -> SetParameters.Request:
    value = Parameter('max_detections', value=100 + number % 2).to_parameter_msg()
    return SetParameters.Request(parameters=[value])


def _milliseconds(seconds: Any) -> 'np.ndarray[Any, Any]':
    return 1e3 * np.array(seconds, float)


if __name__ == '__main__':
    main()
