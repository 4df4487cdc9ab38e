"""Numbers of things, in words."""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 box` and `2 boxes`."""
    plural = f'{noun}es' if noun.endswith('x') else f'{noun}s'
    return f'{count} {noun if count == 1 else plural}'
