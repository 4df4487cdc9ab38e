"""Models put into the cache by hand, as a prefetch leaves them."""

import hashlib

from vlm_ros.backends.catalogue import CATALOGUE
from vlm_ros.backends.hub.lock import LockedFile, LockedModel, update_lock
from vlm_ros.backends.hub.store import model_folder, snapshot_folder

FREE, OTHER_FREE = [card for card in CATALOGUE if not card.terms and card.safetensors][:2]
BOUND = next(card for card in CATALOGUE if card.terms and card.safetensors)
COMMIT = 'c0ffee' * 6 + 'beef'
FILES = {'config.json': b'{"model_type": "tiny"}', 'model.safetensors': bytes(range(256)) * 40}


def locked_files(files=FILES):
    return {
        name: LockedFile(len(content), hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    }


def plant(model_id, files=FILES, *, revision=COMMIT, accepted_terms=''):
    """Lay a model out and lock it; return its folder."""
    folder = snapshot_folder(model_id, revision)
    folder.mkdir(parents=True, exist_ok=True)
    blobs = model_folder(model_id) / 'blobs'
    blobs.mkdir(exist_ok=True)
    for name, content in files.items():
        blob = blobs / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (folder / name).symlink_to(f'../../blobs/{blob.name}')
    model = LockedModel(revision, locked_files(files), accepted_terms, '2026-01-31T12:00:00Z')
    update_lock({model_id: model})
    return folder
