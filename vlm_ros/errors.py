"""Everything this package raises on purpose.

::

    VlmRosError
    ├── InputError            what the caller gave cannot be used
    │   ├── ImageError        an image that cannot be read
    │   ├── SourceError       a photo, video or camera that cannot be read
    │   ├── VocabularyError   class names that cannot be looked for
    │   └── QuestionError     a question, statement or text that cannot be worked on
    ├── BackendError          a model that cannot be had
    │   ├── UnknownBackendError
    │   ├── MissingDependencyError
    │   ├── WeightsError      weights that are missing or corrupt
    │   └── DeviceError
    ├── ModelError            a model that failed at its work
    │   ├── OutOfMemory       the device's memory did not suffice for it
    │   └── OtherModelError   another model, whose help it needs, failed
    ├── StorageError          a folder of kept things that cannot be read or written
    └── InterruptedWork       work that was ended before it was done
        ├── DeadlineExceeded
        └── WorkCancelled

Every message is one line that says what is wrong and, where there is one, the mend.
"""


class VlmRosError(Exception):
    """The root of every error this package raises on purpose."""


class InputError(VlmRosError, ValueError):
    """What the caller gave cannot be used."""


class ImageError(InputError):
    """An image that cannot be read: unknown encoding, missing bytes, no pixels."""


class SourceError(InputError):
    """A photo, folder, video, camera or stream that is not there, or breaks off."""


class VocabularyError(InputError):
    """Class names that cannot be looked for: none, blank, repeated, too many."""


class QuestionError(InputError):
    """A question, statement or text that cannot be worked on: empty or too long."""


class BackendError(VlmRosError):
    """A model that cannot be had."""


class UnknownBackendError(BackendError):
    """A backend name that nothing registered."""


class MissingDependencyError(BackendError):
    """A library that the backend needs is not installed."""


class WeightsError(BackendError):
    """Weights that are missing or whose checksum is not the recorded one."""


class DeviceError(BackendError):
    """A device that this machine does not have or the backend cannot use."""


class ModelError(VlmRosError):
    """A model failed at its work; its answer is unknown, which is not an empty answer."""


class OutOfMemory(ModelError):  # noqa: N818 - the condition, as `queue.Full` names one
    """The device's memory did not suffice; a smaller batch, or a later try, may do."""


class OtherModelError(ModelError):
    """A model whose help was needed failed; the one that asked for it is not to blame."""


class StorageError(VlmRosError):
    """What is kept on disk cannot be read or added to; what is there already stays as it is."""


class InterruptedWork(VlmRosError):  # noqa: N818 - an ending somebody asked for, not a fault
    """Work that was ended before it was done."""


class DeadlineExceeded(InterruptedWork):
    """The time the caller allowed ran out."""


class WorkCancelled(InterruptedWork):
    """The caller took the request back."""
