"""Where the weights of a model lie, checked before every use and without any network.

The files are in the cache of huggingface_hub, so `HF_HOME` and `HF_HUB_CACHE` say where that is,
and other programs find them there. What they have to be is in the lock file.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vlm_ros.backends.catalogue import CATALOGUE, find
from vlm_ros.backends.hub.digests import sha256_of, Stamps
from vlm_ros.backends.hub.lock import is_model_id, LockedFile, LockedModel, read_lock
from vlm_ros.errors import MissingDependencyError, WeightsError


@dataclass(frozen=True)
class Snapshot:
    """A model's files as they are at one commit.

    Attributes:
        model_id: On the hub, such as `google/owlvit-base-patch32`.
        revision: The commit, 40 hexadecimal digits.
        folder: What `from_pretrained` takes.
    """

    model_id: str
    revision: str
    folder: Path


@dataclass(frozen=True)
class Fault:
    """What is wrong with one file.

    Attributes:
        name: Its path inside the snapshot.
        problem: Such as `is missing`.
    """

    name: str
    problem: str

    def __str__(self) -> str:
        return f'{self.name} {self.problem}'


def locate(model_id: str) -> Snapshot:
    """Return where a prefetched model lies, having checked it against the lock file.

    The size of every file is compared each time. The checksum too, unless the very file was found
    right before and has neither been written nor changed since: reading gigabytes at each start
    would cost more than loading them.

    Raises:
        WeightsError: There is no such model, it is not here or not whole, a file has been
            changed, its terms are not accepted, or the lock file is damaged.
    """
    locked = read_lock().get(model_id)
    if locked is None:
        raise missing_model(model_id)
    require_terms(model_id, locked.accepted_terms)
    folder = snapshot_folder(model_id, locked.revision)
    mend = f'run: vlm-ros models prefetch {model_id}'
    if not folder.is_dir():
        raise WeightsError(f'{model_id} is in the lock file, but not on this machine; {mend}')
    with closing(faults(model_id, locked)) as found:
        for fault in found:
            raise WeightsError(f'{model_id} is not whole: {fault}; {mend}')
    return Snapshot(model_id, locked.revision, folder)


def faults(
    model_id: str, locked: LockedModel, *, reread: bool = False
) -> Generator[Fault, None, None]:
    """Compare a model's files with the lock file.

    Args:
        model_id: Whose files.
        locked: What they have to be.
        reread: Read every byte, also of files that were found right before.

    Yields:
        A fault for each file that is missing, has another size or another checksum.
    """
    folder = snapshot_folder(model_id, locked.revision)
    stamps = Stamps()
    try:
        whole = []
        for name, file in sorted(locked.files.items()):
            if problem := _missing_or_cut(folder / name, file):
                yield Fault(name, problem)
            else:
                whole.append((name, file))
        # Last, so that a missing shard is found before gigabytes are read.
        for name, file in whole:
            if problem := _changed(folder / name, file, stamps, reread):
                yield Fault(name, problem)
    finally:
        stamps.save()


def is_here(model_id: str, locked: LockedModel) -> bool:
    """Tell whether every file is here and has its size, without reading any."""
    folder = snapshot_folder(model_id, locked.revision)
    return not any(_missing_or_cut(folder / name, file) for name, file in locked.files.items())


def models_here() -> frozenset[str]:
    """Return the prefetched models of which every file is here, as far as the sizes tell.

    Raises:
        WeightsError: The lock file cannot be read.
    """
    lock = read_lock()
    return frozenset(model_id for model_id, locked in lock.items() if is_here(model_id, locked))


def missing_model(model_id: str) -> WeightsError:
    """Return the error about a model that is not in the lock file."""
    if find(model_id) is not None:
        return WeightsError(
            f'{model_id} has not been prefetched; run: vlm-ros models prefetch {model_id}'
        )
    known = {card.model_id.lower(): card.model_id for card in CATALOGUE}
    wanted = model_id.lower()
    close = get_close_matches(wanted, known, 3, 0.6)
    # People leave out the owner.
    close += [name for name in known if name.partition('/')[2] == wanted and name not in close]
    hint = f'did you mean {" or ".join(known[name] for name in close[:3])}? ' if close else ''
    return WeightsError(
        f'the catalogue has no model {model_id[:120]!r}; {hint}see vlm-ros models list'
    )


def require_terms(model_id: str, accepted_terms: str) -> None:
    """Check that what the catalogue says about a model's terms is what was accepted.

    Raises:
        WeightsError: Nobody has accepted them, or they have changed since.
    """
    card = find(model_id)
    if card is not None and card.terms and card.terms != accepted_terms:
        raise WeightsError(
            f'{model_id} asks to accept its terms ({card.terms.rstrip(".")}); if you do, run: '
            f'vlm-ros models prefetch {model_id} --accept-terms'
        )


def hub_folder() -> Path:
    """Return the cache of huggingface_hub: `HF_HUB_CACHE`, else `hub` in `HF_HOME`.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise MissingDependencyError(
            "models of the catalogue need huggingface_hub; run: pip install 'huggingface_hub<3'"
        ) from error
    return Path(constants.HF_HUB_CACHE)


def model_folder(model_id: str) -> Path:
    """Return the folder of a model's blobs and snapshots, as huggingface_hub lays it out.

    Raises:
        WeightsError: The id cannot be one.
    """
    if not is_model_id(model_id):
        raise missing_model(model_id)
    return hub_folder() / f'models--{model_id.replace("/", "--")}'


def snapshot_folder(model_id: str, revision: str) -> Path:
    """Return the folder with a model's files at a commit, whether it is there or not."""
    return model_folder(model_id) / 'snapshots' / revision


def _missing_or_cut(path: Path, file: LockedFile) -> str:
    # A link to nothing is missing, as well.
    if not path.is_file():
        return 'is missing'
    size_bytes = path.stat().st_size
    if size_bytes != file.size_bytes:
        return f'has {size_bytes} bytes instead of {file.size_bytes}'
    return ''


def _changed(path: Path, file: LockedFile, stamps: Stamps, reread: bool) -> str:
    try:
        stat = path.stat()
        if not reread and stamps.hold(path, stat, file.sha256):
            return ''
        if sha256_of(path) != file.sha256:
            return 'has been changed: its checksum differs'
    except OSError as error:
        return f'cannot be read: {error.strerror}'
    stamps.add(path, stat, file.sha256)
    return ''
