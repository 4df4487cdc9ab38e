"""Four cameras at 30 Hz on one model, with questions and parameter calls meanwhile.

The graph is the real `perception` executable; its cameras are in a process of their own. Figures
come from `<camera>/detections/status` and from the calls, as a user sees them. An inference is the
median time of a detection in this run. `behind_own_work` is how long an answer took from call to
response, less the time the model spent on that question itself: what the request waited and the
transport. `strict` is the same from call to response with nothing taken off.
"""

from collections.abc import Iterator

import numpy as np
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter

from benchmarks._listener import Caller, Listener, Seen
from benchmarks._processes import CpuMeter, load, process
from benchmarks.reporting import Figure, run
from vlm_ros.nodes.conversions import duration_to_seconds
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion

CAMERAS = ('front', 'left', 'rear', 'right')
NAMES = 'person,car,dog,cat,bicycle,chair,cup,bottle,laptop,book'
WARM_UP_S = 5.0
MEASURED_S = 60.0
QUESTION_PERIOD_S = 0.5
PARAMETER_PERIOD_S = 0.1
QUESTIONS = ('is there a cup?', 'is there a dog?', 'how many spoons are there?')


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
        process('benchmarks._camera', camera),
        Listener(CAMERAS) as listener,
    ):
        listener.wait_until_active()
        node = listener.node
        questions = Caller(node, AnswerQuestion, 'answer_question', _question, QUESTION_PERIOD_S)
        reading = Caller(node, GetParameters, 'detector/get_parameters', _read, PARAMETER_PERIOD_S)
        writing = Caller(
            node, SetParameters, 'detector/set_parameters', _write, PARAMETER_PERIOD_S
        )
        callers = [questions, reading, writing]
        listener.spin(WARM_UP_S)
        listener.clear()
        for caller in callers:
            caller.forget()
        cpu = CpuMeter(perception)
        listener.spin(MEASURED_S)
        setting = f'4 x 640x480 at 30 Hz, best effort, embedded on cpu, 10 names, {load()}'
        cores = cpu.cores()
        seen = {name: Seen(name, statuses) for name, statuses in listener.statuses.items()}
    yield from _streams(seen, setting)
    inference_s = float(np.median(np.concatenate([one.inferences_s for one in seen.values()])))
    yield from _answers(questions, inference_s, setting)
    for name, caller in (('get_parameters', reading), ('set_parameters', writing)):
        yield Figure(f'cameras.{name}_p50', caller.milliseconds(50), 'ms', setting)
        yield Figure(f'cameras.{name}_p99', caller.milliseconds(99), 'ms', setting, at_most=20.0)
    yield Figure('cameras.cpu', cores, 'cores', setting)


def _streams(seen: dict[str, Seen], setting: str) -> Iterator[Figure]:
    inferences_s = np.concatenate([one.inferences_s for one in seen.values()])
    ages_s = np.concatenate([one.ages_s for one in seen.values()])
    inference_s = float(np.median(inferences_s))
    for name, one in seen.items():
        yield Figure(f'cameras.{name}_received', one.received_hz, 'Hz', setting)
        yield Figure(f'cameras.{name}_rate', one.processed_hz, 'Hz', setting)
    yield Figure('cameras.inference_p50', 1e3 * inference_s, 'ms', setting)
    yield Figure('cameras.inference_p95', 1e3 * _percentile(inferences_s, 95), 'ms', setting)
    yield Figure('cameras.inference_max', 1e3 * _percentile(inferences_s, 100), 'ms', setting)
    for percentile, name in ((50, 'p50'), (95, 'p95')):
        value = _percentile(ages_s, percentile) / inference_s
        yield Figure(f'cameras.age_{name}', value, 'inferences', setting)
    yield Figure('cameras.age_max', ages_s.max() / inference_s, 'inferences', setting, at_most=2.0)
    # Of the frame's own inference, which takes what slowed that one call down out of the figure.
    own = float((ages_s / inferences_s).max())
    yield Figure('cameras.age_max_by_own', own, 'inferences', setting, at_most=2.0)
    gap_s = max(float(one.gaps_s.max()) for one in seen.values())
    most = len(seen) + 1.0
    yield Figure('cameras.gap_max', gap_s / inference_s, 'inferences', setting, at_most=most)


def _answers(questions: Caller, inference_s: float, setting: str) -> Iterator[Figure]:
    failed = [
        answer.status
        for answer in questions.responses
        if answer.status.code in (ResultStatus.FAILED, ResultStatus.TIMEOUT, ResultStatus.STALE)
    ]
    if failed:
        raise SystemExit(f'cameras: {len(failed)} questions failed: {failed[0].message}')
    latencies_s = np.array(questions.latencies_s)
    own_s = [duration_to_seconds(a.provenance.inference_time) for a in questions.responses]
    waited_s = latencies_s - np.array(own_s)
    limit_ms = 1e3 * inference_s + 50.0
    yield Figure('cameras.answers', len(latencies_s), 'answers', setting)
    yield Figure('cameras.answer_own_work_p50', 1e3 * float(np.median(own_s)), 'ms', setting)
    for percentile, name in ((50, 'p50'), (95, 'p95'), (100, 'max')):
        strict_ms = 1e3 * _percentile(latencies_s, percentile)
        waited_ms = 1e3 * _percentile(waited_s, percentile)
        yield Figure(f'cameras.answer_strict_{name}', strict_ms, 'ms', setting, at_most=limit_ms)
        yield Figure(
            f'cameras.answer_behind_own_work_{name}', waited_ms, 'ms', setting, at_most=limit_ms
        )


def _question(number: int) -> AnswerQuestion.Request:
    return AnswerQuestion.Request(
        camera=CAMERAS[number % len(CAMERAS)], question=QUESTIONS[number % len(QUESTIONS)]
    )


def _read(number: int) -> GetParameters.Request:
    return GetParameters.Request(names=['score_threshold', 'max_detections'])


def _write(number: int) -> SetParameters.Request:
    value = Parameter('max_detections', value=100 + number % 2).to_parameter_msg()
    return SetParameters.Request(parameters=[value])


def _percentile(
    values: 'np.ndarray[tuple[int], np.dtype[np.float64]]', percentile: float
) -> float:
    return float(np.percentile(values, percentile))


if __name__ == '__main__':
    main()
