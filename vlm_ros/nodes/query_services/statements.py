"""`verify_statement`: whether a statement is true, of an image, a pair or several frames."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from std_msgs.msg import Header

from vlm_ros.errors import InputError, InterruptedWork, VlmRosError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, boxes
from vlm_ros.nodes.image_feed import Frame, View
from vlm_ros.nodes.looking import Look
from vlm_ros.nodes.query_services.answers import grounded, TASKS
from vlm_ros.nodes.requests import is_given, no_look
from vlm_ros.results import Truth, Verdict
from vlm_ros.statements import is_settled, Rule, Sight, Watch
from vlm_ros.tasks import Image, Model, Ticket
from vlm_ros_interfaces.srv import VerifyStatement


class StatementServices:
    """Checks statements; see `grounded.GroundedAnswerer.verify`.

    Args:
        node: Offers it.
    """

    def __init__(self, node: AskedNode[Any]) -> None:
        self._node = node
        node.offer(VerifyStatement, 'verify_statement', self._on_verify_statement)

    async def _on_verify_statement(
        self, request: VerifyStatement.Request, response: VerifyStatement.Response
    ) -> VerifyStatement.Response:
        check = _Check(self._node, request)
        try:
            seen = await check.run()
        except VlmRosError as error:
            seen = no_look(*conversions.error_to_status(error))
        verdict = seen.result
        if verdict is not None:
            response.verdict = int(verdict.truth)
            response.confidence = verdict.confidence
            response.other_evidence = check.other_evidence(verdict)
        response.evidence = boxes(seen, verdict.evidence if verdict else None)
        return self._node.fill(seen, response)


class _Check:
    """One request.

    Args:
        node: Has the model and the cameras.
        request: What is asked for.
    """

    def __init__(self, node: AskedNode[Any], request: VerifyStatement.Request) -> None:
        self._node = node
        self._request = request
        # Of each verdict about a pair, the header of the right image; a thousand images would be
        # gigabytes.
        self._others: list[tuple[Verdict, Header]] = []

    async def run(self) -> Look[Verdict]:
        """Look as often as was asked for.

        Raises:
            VlmRosError: The request cannot be worked on, or was ended while it waited.
        """
        request, requests = self._request, self._node.requests
        frames = request.frames or 1
        rule = Rule(request.agreeing or frames // 2 + 1, frames)
        choose_other = self._other()
        if frames == 1:
            return await self._look(choose_other, None, None)
        if is_given(request.image) or is_given(request.other_image):
            raise InputError(
                f'an image that comes with the request cannot be {frames} frames; leave out '
                'frames, or the image'
            )
        camera = requests.camera_of(request)
        limit_s = requests.age_limit_s(request.max_image_age_s)
        ticket = requests.ticket(request.timeout_s)
        frame = requests.newest(camera, limit_s) if self._node.is_active else None
        if isinstance(frame, Look):
            return frame
        return await self._vote(rule, camera, frame, choose_other, ticket)

    async def _vote(
        self,
        rule: Rule,
        camera: str,
        frame: Frame | None,
        choose_other: Callable[[], Frame | Look[Any]] | None,
        ticket: Ticket,
    ) -> Look[Verdict]:
        """Look at frames, each once, until they decide."""
        watch = Watch(rule)
        truths: list[Truth] = []
        while True:
            seen = await self._look(choose_other, frame, ticket)
            if seen.result is None or frame is None:
                return _with_count(seen, len(truths), rule)
            watch.see(Sight(seen.result, seen.provenance))
            truths.append(seen.result.truth)
            if is_settled(rule, truths, undecided=Truth.UNKNOWN):
                break
            try:
                frame = await self._node.requests.newer(camera, frame, ticket)
            except InterruptedWork as error:
                ended: Look[Verdict] = no_look(*conversions.error_to_status(error), camera, frame)
                return _with_count(ended, len(truths), rule)
        state = watch.state
        verdict = state.verdict
        return Look(verdict, verdict.status, verdict.message, state.evidence_of)

    async def _look(
        self,
        choose_other: Callable[[], Frame | Look[Any]] | None,
        frame: Frame | None,
        ticket: Ticket | None,
    ) -> Look[Verdict]:
        request = self._request
        others: list[Frame] = []

        def work(model: Model, view: View, ticket: Ticket) -> Verdict:
            images: Sequence[Image] = (view.image,)
            if choose_other is not None:
                other = choose_other()
                if not isinstance(other, Frame):
                    message = f'the other camera: {other.message}'
                    return Verdict(Truth.UNKNOWN, status=other.status, message=message)
                # In full size: its boxes are in its own pixels.
                images = (view.image, other.image)
                others.append(other)
            answerer = grounded(self._node, model)
            return answerer.verify(images, request.statement, ticket=ticket)

        seen = await self._node.requests.look(
            request,
            self._node.needed(*TASKS),
            work,
            timeout_s=request.timeout_s,
            max_image_age_s=request.max_image_age_s,
            frame=frame,
            ticket=ticket,
        )
        if seen.result is not None:
            self._others += [(seen.result, other.header) for other in others[-1:]]
        return seen

    def other_evidence(self, verdict: Verdict) -> Any:
        """Return the boxes in the right image that a verdict rests on, as a message."""
        for known, header in self._others:
            if known is verdict:
                return conversions.detections_to_msg(verdict.other_evidence, header)
        return VerifyStatement.Response().other_evidence

    def _other(self) -> Callable[[], Frame | Look[Any]] | None:
        """Return what chooses the right image of a pair; None where one image is meant."""
        request, requests = self._request, self._node.requests
        other = SimpleNamespace(camera=request.other_camera, image=request.other_image)
        if is_given(other.image):
            frame = Frame(other.image)
            requests.camera_of(other)
            return lambda: frame
        if not other.camera:
            return None
        camera = requests.camera_of(other)
        if not is_given(request.image) and camera == requests.camera_of(request):
            raise InputError(f'camera and other_camera are both {camera!r}; a pair takes two')
        limit_s = requests.age_limit_s(request.max_image_age_s)
        return lambda: requests.newest(camera, limit_s)


def _with_count(seen: Look[Verdict], looks: int, rule: Rule) -> Look[Verdict]:
    if not looks:
        return seen
    return replace(seen, message=f'{seen.message}; {looks} of {rule.frames} frames were looked at')
