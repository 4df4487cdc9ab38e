"""The names that whole images are tagged with."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vlm_ros.errors import InputError

Tags = dict[str, tuple[str, ...]]
"""Names by group; of each group one goes with an image."""

TAGS: dict[str, Tags] = {
    # The groups are those of BDD100K (arXiv 1805.04687), the names as a caption would say them.
    'driving': {
        'weather': ('clear weather', 'clouds', 'rain', 'snow', 'fog'),
        'light': ('daylight', 'dawn or dusk', 'night'),
        'road': (
            'a city street',
            'a residential street',
            'a highway',
            'a parking lot',
            'a tunnel',
            'a gas station',
        ),
    },
}


def tags_of(name: str) -> Tags:
    """Return the tags of a name, or of a YAML file of groups and lists of names.

    Raises:
        InputError: There is neither, or the file holds something else.
    """
    import yaml

    if name in TAGS:
        return TAGS[name]
    try:
        content = yaml.safe_load(Path(name).read_text(encoding='utf-8'))
        tags = TypeAdapter(Tags).validate_python(content)
    except OSError as error:
        raise InputError(
            f'there are no tags {name!r}, and no such file; there are {", ".join(TAGS)}'
        ) from error
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(
            f'{name} holds no tags; it should have lines such as weather: [rain, snow, fog]'
        ) from error
    if not tags or not all(len(set(names)) > 1 for names in tags.values()):
        raise InputError(f'{name}: each group needs two names or more to choose from')
    return tags
