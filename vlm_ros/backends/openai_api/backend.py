"""The API backend: every task becomes a prompt with pictures, and its reply a result."""

from collections.abc import Mapping, Sequence
from typing import Any

from vlm_ros.backends.dialects import detections_of
from vlm_ros.backends.openai_api import answering, closed
from vlm_ros.backends.openai_api.choosing import open_chat
from vlm_ros.backends.openai_api.options import (
    check_device,
    check_dialect,
    check_manner,
    check_number,
    check_waits,
    choose_dialect,
)
from vlm_ros.backends.openai_api.pictures import Pictures
from vlm_ros.backends.openai_api.replies import Reply
from vlm_ros.errors import InputError, ModelError, QuestionError
from vlm_ros.grounding.naming import ground_by_names
from vlm_ros.phrases import check_text, MAX_NAME_CHARACTERS, Phrase, Vocabulary
from vlm_ros.results import (
    Answer,
    Caption,
    Detections,
    PhraseGroundings,
    Status,
)
from vlm_ros.tasks import Image, Ticket

BOX_TOKENS = 2048
"""Forty entries of about 40 tokens each, the number from which Qwen's cookbook warns of loops."""
_SIDE_MULTIPLE = {'qwen2.5': 28}
"""Qwen2.5-VL counts pixels of the image after its processor rounded the sides to this."""


class OpenAiApiBackend:
    """Captions, answers and boxes from a model behind an OpenAI-compatible API.

    Loading asks the server for its models, so that a server that is down, a key that is wrong and
    a model that is not there are known before the first image.

    Args:
        device: `cpu`, or `auto`, which is the same: the model runs where its server does.
        model: The model's name at the server; empty where it serves one only.
        base_url: The server, as `http://localhost:8000/v1`; empty for the environment's
            `OPENAI_BASE_URL`, or OpenAI itself.
        auth_variable: The environment variable that has the key; empty to send none.
        max_tokens: How long an answer may be.
        max_box_tokens: How long a list of boxes may be.
        temperature: 0 for the same answer each time.
        timeout_s: Seconds the server may be silent. The runtime's watchdog has its own limit.
        retries: How often a request that failed in passing is tried again.
        rest_s: Seconds a server that failed three times in a row is left alone.
        max_side_px: Images are scaled down to this longer side.
        jpeg_quality: 1 to 100.
        detail: OpenAI's `auto`, `low` or `high`.
        dialect: How the model writes boxes, one of `DIALECTS`; `auto` to go by its name.
        extra: More fields of each request, as JSON or a mapping, such as
            `{"chat_template_kwargs": {"enable_thinking": false}}`.

    Raises:
        DeviceError: The device is not `cpu`.
        BackendError: An option is wrong, or the server or the model cannot be used.
    """

    device = 'cpu'
    needs_warm_up = False
    score_threshold = 0.0
    """What a score must reach where the caller does not say: boxes have no scores of their own."""

    def __init__(
        self,
        *,
        device: str = 'cpu',
        model: str = '',
        base_url: str = '',
        auth_variable: str = 'OPENAI_API_KEY',
        max_tokens: int = 256,
        max_box_tokens: int = BOX_TOKENS,
        temperature: float = 0.0,
        timeout_s: float = 20.0,
        retries: int = 2,
        rest_s: float = 10.0,
        max_side_px: int = 1024,
        jpeg_quality: int = 85,
        detail: str = 'auto',
        dialect: str = 'auto',
        extra: str | Mapping[str, Any] = '',
    ) -> None:
        check_device(device)
        check_waits(timeout_s, rest_s)
        check_dialect(dialect)
        check_number('max_box_tokens', max_box_tokens, 1, 100_000)
        manner = check_manner(max_tokens, temperature, detail, retries, extra)
        self._pictures = Pictures(max_side_px=max_side_px, quality=jpeg_quality)
        self._chat, self._revision = open_chat(
            model,
            base_url=base_url,
            auth_variable=auth_variable,
            timeout_s=timeout_s,
            rest_s=rest_s,
            manner=manner,
        )
        self._dialect = choose_dialect(dialect, self._chat.model)
        self._pictures.multiple = _SIDE_MULTIPLE.get(self._dialect.name, 1)
        self._box_tokens = max_box_tokens
        self.enough_px = max_side_px
        self._labels_work = True
        self._is_closed = False

    @property
    def model_id(self) -> str:
        """`openai_api:` and the model's name at the server."""
        return f'openai_api:{self._chat.model}'

    @property
    def model_revision(self) -> str:
        """The server's fingerprint of what answered last, or when it says the model was made."""
        return self._revision

    def close(self) -> None:
        """Hang up and forget the last images."""
        self._is_closed = True
        self._pictures.clear()
        self._chat.close()

    def release_memory(self) -> None:
        """Forget the last images."""
        self._pictures.clear()

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Ask for the boxes of all names at once; every box has the score 0.5.

        Where the answer breaks off or has no boxes in it, not even an empty list, the names that
        were not found are `unrecognized`: their absence says nothing.
        """
        ticket = ticket or Ticket()
        self._check(ticket)
        picture = self._pictures.encode(image)
        prompt = self._dialect.prompt(vocabulary.names)
        reply = self._ask([image], prompt, ticket, max_tokens=self._box_tokens)
        height, width = image.shape[:2]
        spoken = self._dialect.parse(
            reply.text,
            resolution_wh=(width, height),
            input_wh=picture.sent_wh,
            was_cut=reply.was_cut,
        )
        found = detections_of(spoken, vocabulary, answering.UNTOLD)
        is_sure = spoken.is_complete and spoken.is_readable and not answering.refusal_of(reply)
        missing = () if is_sure else tuple(n for n in vocabulary.names if n not in found.labels)
        threshold = self.score_threshold if score_threshold is None else score_threshold
        kept = found if threshold <= answering.UNTOLD else found[:0]
        return Detections(kept.xyxy, kept.scores, kept.labels, missing)

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Ask for the boxes of each noun phrase of the text, with its attributes."""
        return ground_by_names(
            self, image, text, name_of=_name, score_threshold=score_threshold, ticket=ticket
        )

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image.

        The score is the mean probability of the tokens, and 0.5 where the server tells none.
        """
        return self._caption([image], prompt or answering.CAPTION_PROMPT, ticket)

    def caption_frames(
        self, images: Sequence[Image], *, prompt: str = '', ticket: Ticket | None = None
    ) -> Caption:
        """Describe images that follow each other, all in one request."""
        _check_images(images)
        return self._caption(images, prompt or answering.FRAMES_PROMPT, ticket)

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question.

        Choices, and a yes or no, are decided by one token where the server tells probabilities:
        the confidence is then the label's share of them, which is not calibrated. Otherwise it is
        the mean probability of the answer's tokens, and 0.5 where the server tells none.
        """
        return self.answer_frames([image], question, choices=choices, ticket=ticket)

    def answer_frames(
        self,
        images: Sequence[Image],
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question about images that follow each other, all in one request."""
        _check_images(images)
        check_text(question, 'question')
        options = tuple(' '.join(choice.split()) for choice in choices)
        if not all(options):
            raise QuestionError('one of the choices is blank; remove it')
        ticket = ticket or Ticket()
        if options:
            return self._choose(images, question, options, tuple(choices), ticket)
        if closed.is_yes_no(question):
            return self._choose(images, question, closed.YES_NO, closed.YES_NO, ticket)
        prompt = answering.prompt_answer(question)
        return answering.as_answer(self._ask(images, prompt, ticket, partial=True))

    def _caption(self, images: Sequence[Image], prompt: str, ticket: Ticket | None) -> Caption:
        return answering.as_caption(self._ask(images, prompt, ticket or Ticket(), partial=True))

    def _choose(
        self,
        images: Sequence[Image],
        question: str,
        options: tuple[str, ...],
        choices: tuple[str, ...],
        ticket: Ticket,
    ) -> Answer:
        labels = closed.labels_of(options) if self._labels_work else ()
        if labels:
            prompt = closed.prompt_label(question, options, labels)
            reply = self._ask(
                images, prompt, ticket, max_tokens=1, top_logprobs=closed.ALTERNATIVES
            )
            best = closed.decide(reply, labels)
            if best is not None:
                share = answering.UNTOLD if best[1] is None else best[1]
                return Answer(Status.OK, choices[best[0]], share)
            # A server that tells no probabilities, and a label of several tokens, which does not
            # fit into one: the next question is asked in words at once.
            self._labels_work = bool(reply.tokens)
        reply = self._ask(images, closed.prompt_words(question, options), ticket)
        return answering.as_choice(reply, closed.read_words(reply, options), choices)

    def _check(self, ticket: Ticket) -> None:
        """Refuse work that cannot be done, before an image is encoded for it."""
        if self._is_closed:
            raise ModelError(f'{self.model_id} is closed')
        ticket.check()
        self._chat.raise_if_resting()

    def _ask(
        self,
        images: Sequence[Image],
        prompt: str,
        ticket: Ticket,
        *,
        max_tokens: int | None = None,
        top_logprobs: int = 0,
        partial: bool = False,
    ) -> Reply:
        self._check(ticket)
        reply = self._chat.ask(
            [self._pictures.encode(image) for image in images],
            prompt,
            ticket=ticket,
            max_tokens=max_tokens,
            top_logprobs=top_logprobs,
            partial=partial,
        )
        ticket.check()
        self._revision = reply.fingerprint or self._revision
        return reply


def _name(phrase: Phrase) -> str:
    name = ' '.join(phrase.name.split())
    return name if len(name) <= MAX_NAME_CHARACTERS else ' '.join(phrase.head.split())


def _check_images(images: Sequence[Image]) -> None:
    if not len(images):
        raise InputError('there is no image')
