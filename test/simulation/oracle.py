"""Models for tests that know the truth, by the picture: one tells it, one puts it beside."""

import hashlib

known = {}
"""Labelled boxes by the digest of their picture."""


def digest(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def learn(image, boxes):
    known[digest(image)] = boxes


def detect(image, names):
    boxes = known.get(digest(image), ())  # a node shows its model a blank picture first
    return [(box.label, 0.9, box.xyxy) for box in boxes if box.label in names]


class Shifted:
    """Finds everything its whole height above where it is, or below where there is no room."""

    def detect(self, image, names):
        found = []
        for label, score, (left, top, right, bottom) in detect(image, names):
            above = max(2 * top - bottom, 0), top
            below = bottom, min(2 * bottom - top, image.shape[0])
            start, end = above if top else below
            found.append((label, score, (left, start, right, end)))
        return found
