"""The demo's own node: a client of the graph, as a robot's behaviours would be."""

from collections import deque
import re
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import numpy.typing as npt
import rclpy
from rclpy.client import Future
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from vlm_ros.nodes import conversions
from vlm_ros.nodes.demo_report import Report
from vlm_ros.nodes.demo_view import View
from vlm_ros.results import Status
from vlm_ros_interfaces.msg import Caption, PerceptionStatus
from vlm_ros_interfaces.srv import AnswerQuestion

LOOKED = (Status.OK, Status.NOTHING_FOUND, Status.UNSURE)
"""The statuses of frames that have detections, be it none."""
MANAGED = {'demo/detector', 'demo/captioner', 'demo/query'}
_NEW_SCENE_DIFFERENCE = 12.0
"""Mean grey-level difference of thumbnails above which a picture counts as another scene."""
_PICTURE_PERIOD_S = 1.0


class DemoClient:
    """Prints and records what the graph publishes, and asks it questions.

    Args:
        report: Takes everything down.
        view: Where to show the annotated pictures; None for nowhere.
    """

    def __init__(self, report: Report, view: View | None = None) -> None:
        self.report = report
        self.last_status = 'no status has come'
        self._view = view
        self.trouble = ''
        self._active: set[str] = set()
        self._looking = False
        self._scene: npt.NDArray[np.float64] | None = None
        self._saved_s = 0.0
        self._detections: dict[int | None, Detection2DArray] = {}
        self._statuses: deque[PerceptionStatus] = deque()
        self._printed_s = 0.0
        self._printed = ''
        node = rclpy.create_node('demo', namespace='/demo')
        node.create_subscription(Detection2DArray, 'detections', self._on_detections, 10)
        node.create_subscription(PerceptionStatus, 'detections/status', self._on_status, 10)
        node.create_subscription(Caption, 'caption', self._on_caption, 10)
        node.create_subscription(Image, 'overlay', self._on_overlay, 1)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._questions = node.create_client(AnswerQuestion, 'answer_question')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)

    def spin_once(self) -> None:
        """Take what has come."""
        self._executor.spin_once(timeout_sec=0.05)

    def is_ready(self) -> bool:
        """Whether the graph is active, or said in `trouble` why it is not."""
        return bool(self.trouble) or self._active >= MANAGED

    def is_looking(self) -> bool:
        """Whether the graph has looked at an image, with or without success."""
        return self._looking

    def ask(self, question: str) -> Future:
        """Ask the graph; the future is done when the answer is printed and recorded."""
        asked_s = time.monotonic()
        future = self._questions.call_async(AnswerQuestion.Request(question=question))
        future.add_done_callback(
            lambda done: self._on_answer(question, done.result(), time.monotonic() - asked_s)
        )
        return future

    def _on_detections(self, msg: Detection2DArray) -> None:
        self._detections[conversions.stamp_to_ns(msg.header.stamp)] = msg
        self._pair()

    def _on_status(self, msg: PerceptionStatus) -> None:
        self.last_status = f'{Status(msg.status.code).name} {msg.status.message}'.strip()
        self._looking |= bool(msg.frames_processed)
        if self._looking:
            self._statuses.append(msg)
            self._pair()

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            name, _, what = status.name.partition(': ')
            if what == 'lifecycle':
                states = {value.key: value.value for value in status.values}
                if states['State'] == 'active':
                    self._active.add(name)
                elif status.level == DiagnosticStatus.ERROR:
                    self.trouble = status.message

    def _pair(self) -> None:
        """Take down every frame whose status and detections, on two topics, are both here."""
        while self._statuses:
            msg = self._statuses[0]
            status = Status(msg.status.code)
            provenance = conversions.msg_to_provenance(msg.provenance)
            found = None
            if status in LOOKED:
                boxes = self._detections.get(provenance.stamp_ns)
                if boxes is None:
                    return
                found = conversions.msg_to_detections(boxes)
            self._statuses.popleft()
            self._detections = {
                stamp: boxes
                for stamp, boxes in self._detections.items()
                if (stamp or 0) > (provenance.stamp_ns or 0)
            }
            self._print_frame(
                self.report.add_frame(
                    status,
                    msg.status.message,
                    found,
                    provenance,
                    {
                        'frames_received': msg.frames_received,
                        'frames_processed': msg.frames_processed,
                        'frames_dropped': msg.frames_dropped,
                    },
                ),
                provenance.age_s,
            )

    def _print_frame(self, line: str, age_s: float | None) -> None:
        """Print what is new at most twice a second, and a sign of life every two seconds."""
        now_s = time.monotonic()
        names = re.sub(r' [\d.]+', '', line)
        if now_s < self._printed_s + (2.0 if names == self._printed else 0.5):
            return
        self._printed, self._printed_s = names, now_s
        age = 'unknown' if age_s is None else f'{1e3 * age_s:.0f} ms'
        print(f'{self.report.rate_hz():5.1f} frames/s  age {age:>7}  {line}', flush=True)

    def _on_caption(self, msg: Caption) -> None:
        if not self.report.started:
            return
        line = self.report.add_caption(
            msg.text,
            Status(msg.status.code),
            msg.status.message,
            conversions.msg_to_provenance(msg.provenance),
        )
        if line is not None:
            print(f'{"caption":>28}  {line}', flush=True)

    def _on_answer(
        self, question: str, response: AnswerQuestion.Response, latency_s: float
    ) -> None:
        line = self.report.add_answer(
            question,
            {
                'status': Status(response.status.code).name,
                'message': response.status.message,
                'answer': response.answer,
                'confidence': response.confidence,
            },
            conversions.msg_to_detections(response.evidence),
            conversions.msg_to_provenance(response.provenance),
            latency_s,
        )
        print(f'\n  Q: {question}\n  A: {line}\n', flush=True)

    def _on_overlay(self, msg: Image) -> None:
        image = conversions.msg_to_image(msg)
        if self._view is not None:
            self._view.show(image)
        now_s = time.monotonic()
        if not self.report.started or now_s < self._saved_s + _PICTURE_PERIOD_S:
            return
        self._saved_s = now_s
        thumbnail = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (32, 32)).astype(float)
        last, self._scene = self._scene, thumbnail
        is_new = last is None or np.abs(thumbnail - last).mean() > _NEW_SCENE_DIFFERENCE
        self.report.add_picture(image, is_new=bool(is_new))
