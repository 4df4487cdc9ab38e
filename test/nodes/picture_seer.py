"""A model for tests: what it finds in a picture is told by the picture's brightness."""

EMPTY, PERSON, DOG, BOTH = 0, 60, 120, 180
looked = []
"""The pictures that were looked at, each once."""
NAMES = {EMPTY: (), PERSON: ('person',), DOG: ('dog',), BOTH: ('person', 'dog')}


def detect(image, names):
    if not any(image is known for known in looked):
        looked.append(image)
    there = NAMES[int(image[0, 0, 0])]
    return [(name, 0.9, (8.0, 8.0, 24.0, 40.0)) for name in names if name in there]
