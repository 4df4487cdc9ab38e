"""The tasks of a chat model: what to say to it, and what to make of what it says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import AutoModelForImageTextToText, AutoProcessor

from vlm_ros.backends.chat import prompts
from vlm_ros.backends.chat.limits import image_options, limit_of
from vlm_ros.backends.chat.prompts import Chat, without_thoughts
from vlm_ros.backends.chat.reading import Prefix, Reader
from vlm_ros.backends.chat.scoring import calibrated, Labels, score, YES_NO
from vlm_ros.backends.engine.checkpoint import Checkpoint, load_model, load_processor
from vlm_ros.backends.engine.generation import (
    end_tokens,
    generate,
    generate_batch,
    Generated,
)
from vlm_ros.backends.engine.recent import Recent
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import BackendError, InputError, QuestionError
from vlm_ros.language.questions import parse
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Caption, Status, Truth, Verdict
from vlm_ros.tasks import Image, Ticket

MAX_LABELS = 64
NO_WORDS = 'the model wrote nothing'


@dataclass(frozen=True)
class Options:
    """How a chat model is used; see `load_chat`."""

    max_tiles: int = 0
    max_pixels: int = 0
    caption_tokens: int = 64
    answer_tokens: int = 32
    box_tokens: int = 512
    calibration_temperature: float = 1.0
    calibrate_on_blank: bool = False
    unsure_margin: float = 0.0

    def __post_init__(self) -> None:
        for name in ('caption_tokens', 'answer_tokens', 'box_tokens'):
            if getattr(self, name) < 1:
                raise BackendError(f'{name} must be at least 1, got {getattr(self, name)}')
        if self.calibration_temperature <= 0:
            raise BackendError(
                f'calibration_temperature must be above 0, got {self.calibration_temperature:g}'
            )
        if not 0 <= self.unsure_margin <= 1:
            raise BackendError(f'unsure_margin must be in [0, 1], got {self.unsure_margin:g}')


class ChatBackend(TorchBackend):
    """Captions, answers, statement checks and image-text matching, about one image.

    Args:
        checkpoint: What it runs.
        device: As `engine.devices.choose_device` takes it.
        dtype: As `engine.devices.choose_dtype` takes it.
        threads: CPU threads; 0 leaves them as they are.
        options: How it is used.

    Raises:
        WeightsError: The weights or the processor's files are missing, incomplete or damaged.
        BackendError: An option cannot be used, or the model has no chat template.
        DeviceError: This machine has no such device.
    """

    max_images = 1
    """How many images a statement may be about."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str,
        dtype: str,
        threads: int,
        options: Options,
    ) -> None:
        super().__init__('chat', checkpoint, device=device, dtype=dtype, threads=threads)
        self.options = options
        limit = limit_of(checkpoint.model_type, options.max_tiles, options.max_pixels)
        processor = load_processor(AutoProcessor, checkpoint)
        if not processor.chat_template and checkpoint.model_type != 'paligemma':
            raise BackendError(
                f'{checkpoint.name} has no chat template, so it was not trained to answer; choose '
                'its instruction-tuned version'
            )
        model = load_model(
            AutoModelForImageTextToText, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        # Fixed-size caches, which some checkpoints ask for, cannot grow with a question.
        model.generation_config.cache_implementation = None
        if not end_tokens(model):
            model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
        self._tokenizer = processor.tokenizer
        self._chat = Chat(processor)
        self._reader = Reader(
            model,
            processor,
            self._chat,
            image_options(limit, processor, model),
            device=self.torch_device,
            dtype=self.dtype,
        )
        self._labels: Recent[Labels] = Recent(MAX_LABELS)
        self._priors: Recent[FloatArray] = Recent(MAX_LABELS)

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image, following `prompt` where the model can."""
        return self._caption([image], [''], prompt or prompts.CAPTION, ticket)

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question.

        A question with choices, or one that yes or no answers, is scored in one forward: the
        confidence is the probability of the answer against the others. Other answers are
        written: the confidence is that of their tokens, which is not calibrated.
        """
        return self._answer([image], [''], question, choices, ticket)

    def answer_many(
        self, image: Image, questions: Sequence[str], *, ticket: Ticket | None = None
    ) -> tuple[Answer, ...]:
        """Answer several questions about one image, those that have to be written all at once.

        The answers are those of `answer`, up to the rounding of batched arithmetic, one a
        question. Models with sliding windows or linear attention are asked one by one.

        Raises:
            QuestionError: There is no question, or one is empty.
        """
        if not questions:
            raise QuestionError('there is no question')
        for question in questions:
            check_text(question, 'question')
        with self.at_work(ticket) as ticket:
            prefix = self._reader.read([image], [''], ticket)
            closed = [_asks_yes_no(question) for question in questions]
            words = [
                self._words(prompts.ANSWER, question)
                for question, is_closed in zip(questions, closed, strict=True)
                if not is_closed
            ]
            written = iter(self._write_all(prefix, words, self.options.answer_tokens, ticket))
            return tuple(
                self._choose(prefix, question, (), ticket) if is_closed else _said(next(written))
                for question, is_closed in zip(questions, closed, strict=True)
            )

    def verify(
        self, images: Sequence[Image], statement: str, *, ticket: Ticket | None = None
    ) -> Verdict:
        """Say whether the statement is true of the images, by the probability of a yes."""
        check_text(statement, 'statement')
        if not 1 <= len(images) <= self.max_images:
            raise InputError(
                f'{self.model_id} checks statements about {self.max_images} images at most and 1 '
                f'at least, got {len(images)}'
            )
        intros = [''] if len(images) == 1 else list(prompts.SIDES)
        with self.at_work(ticket) as ticket:
            prefix = self._reader.read(images, intros, ticket)
            words = self._words(prompts.VERIFY, statement)
            yes, no = self._probabilities(prefix, [words], YES_NO, ticket)[0].tolist()
        if abs(yes - no) < self.options.unsure_margin:
            return Verdict(
                Truth.UNKNOWN, status=Status.UNSURE, message=_undecided('true', 'false', yes)
            )
        return Verdict(Truth.TRUE if yes >= no else Truth.FALSE, max(yes, no))

    def match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Score each text by the probability of a yes (VQAScore, arXiv 2404.01291).

        Against that of a no, so that what else the model might say does not count.
        """
        if not texts:
            raise QuestionError('there is no text')
        for text in texts:
            check_text(text, 'text')
        with self.at_work(ticket) as ticket:
            prefix = self._reader.read([image], [''], ticket)
            words = [self._words(prompts.MATCH, text) for text in texts]
            return self._probabilities(prefix, words, YES_NO, ticket)[:, 0]

    def release_memory(self) -> None:
        """Forget the images that were read, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._reader.clear()
        super().release_memory()

    def _caption(
        self, images: Sequence[Image], intros: Sequence[str], prompt: str, ticket: Ticket | None
    ) -> Caption:
        with self.at_work(ticket) as ticket:
            prefix = self._reader.read(images, intros, ticket)
            words = self._chat.plain(prompt)
            if self._chat.is_prefix and prompt == prompts.CAPTION:
                words = prompts.PREFIX_CAPTION
            written = self._write(prefix, words, self.options.caption_tokens, ticket)
        text = without_thoughts(written.text)
        if not text:
            return Caption('no description', 0.0, Status.UNSURE, NO_WORDS)
        return Caption(text, written.confidence, message=_cut(written))

    def _answer(
        self,
        images: Sequence[Image],
        intros: Sequence[str],
        question: str,
        choices: Sequence[str],
        ticket: Ticket | None,
    ) -> Answer:
        check_text(question, 'question')
        for choice in choices:
            check_text(choice, 'choice')
        with self.at_work(ticket) as ticket:
            prefix = self._reader.read(images, intros, ticket)
            if choices or _asks_yes_no(question):
                return self._choose(prefix, question, choices, ticket)
            words = self._words(prompts.ANSWER, question)
            return _said(self._write(prefix, words, self.options.answer_tokens, ticket))

    def _choose(
        self, prefix: Prefix, question: str, choices: Sequence[str], ticket: Ticket
    ) -> Answer:
        """Answer by the label that is most probable."""
        if choices:
            words = self._words(prompts.ANSWER_CHOICE, question, choices=', '.join(choices))
        else:
            words = self._words(prompts.ANSWER_YES_NO, question)
        labels = tuple(choices or YES_NO)
        shares = self._probabilities(prefix, [words], labels, ticket)[0]
        best, *others = np.argsort(-shares, kind='stable').tolist()
        second = float(shares[others[0]]) if others else 0.0
        if shares[best] - second < self.options.unsure_margin:
            message = _undecided(labels[best], labels[others[0]], float(shares[best]))
            return Answer(Status.UNSURE, message=message)
        return Answer(Status.OK, labels[best], float(shares[best]))

    def _probabilities(
        self, prefix: Prefix, words: Sequence[str], names: tuple[str, ...], ticket: Ticket
    ) -> FloatArray:
        """Return the probability of each name as the answer to each of the words, `(N, L)`."""
        ends = end_tokens(self._reader.model)
        labels = self._labels.get(names, lambda: Labels(self._tokenizer, names, ends))
        logs = score(self._reader, prefix, words, labels, ticket)
        if self.options.calibrate_on_blank:
            # What the words alone suggest is divided out (arXiv 2102.09690).
            logs = logs - np.stack([self._prior(prefix, each, labels, ticket) for each in words])
        return calibrated(logs, self.options.calibration_temperature)

    def _prior(self, prefix: Prefix, words: str, labels: Labels, ticket: Ticket) -> FloatArray:
        def make() -> FloatArray:
            blank = self._reader.read_blank(prefix.intros, ticket)
            prior: FloatArray = score(self._reader, blank, [words], labels, ticket)[0]
            return prior

        return self._priors.get((prefix.intros, words, labels.labels), make)

    def _words(self, template: str, asked: str, *, choices: str = '') -> str:
        asked = self._chat.plain(asked)
        if self._chat.is_prefix:
            return prompts.PREFIX_ANSWER.format(question=asked)
        return template.format(
            question=asked, statement=asked, text=asked, choices=self._chat.plain(choices)
        )

    def _write(
        self,
        prefix: Prefix,
        words: str,
        max_new_tokens: int,
        ticket: Ticket,
        *,
        skip_special_tokens: bool = True,
    ) -> Generated:
        return generate(
            self._reader.model,
            self._tokenizer,
            self._reader.inputs(prefix, [self._reader.tail(prefix, words)]),
            ticket=ticket,
            max_new_tokens=max_new_tokens,
            skip_special_tokens=skip_special_tokens,
        )

    def _write_all(
        self, prefix: Prefix, words: Sequence[str], max_new_tokens: int, ticket: Ticket
    ) -> Sequence[Generated]:
        if not prefix.is_plain or len(words) < 2:
            return [self._write(prefix, each, max_new_tokens, ticket) for each in words]
        return generate_batch(
            self._reader.model,
            self._tokenizer,
            self._reader.inputs(prefix, [self._reader.tail(prefix, each) for each in words]),
            ticket=ticket,
            max_new_tokens=max_new_tokens,
        )


class FramesChatBackend(ChatBackend):
    """The same about several images too, for models that were trained on more than one."""

    max_images = 2

    def caption_frames(
        self, images: Sequence[Image], *, prompt: str = '', ticket: Ticket | None = None
    ) -> Caption:
        """Describe the images, oldest first, each of them after its number."""
        intros = _numbered(images)
        return self._caption(images, intros, prompt or prompts.CAPTION_FRAMES, ticket)

    def answer_frames(
        self,
        images: Sequence[Image],
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question about the images, oldest first, as `answer` does."""
        return self._answer(images, _numbered(images), question, choices, ticket)


def _numbered(images: Sequence[Image]) -> list[str]:
    if not len(images):
        raise InputError('there is no image')
    return [prompts.FRAME.format(number) for number in range(1, len(images) + 1)]


def _asks_yes_no(question: str) -> bool:
    """Whether yes or no answers a question."""
    return parse(question).yes_no


def _said(written: Generated) -> Answer:
    text = without_thoughts(written.text)
    if not text:
        return Answer(Status.UNSURE, message=NO_WORDS)
    return Answer(Status.OK, text, written.confidence, message=_cut(written))


def _cut(written: Generated) -> str:
    if written.is_complete:
        return ''
    return f'cut off after {len(written.tokens)} tokens'


def _undecided(first: str, second: str, probability: float) -> str:
    return f'between {first!r} and {second!r} the model is undecided ({probability:.0%})'
