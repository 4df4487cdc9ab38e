"""Random weights whose outputs differ: fresh initializations make all alike."""

import torch


def enliven(
    model: torch.nn.Module, *, words: float = 0.3, places: float = 3.0, views: float = 0.1
) -> None:
    """Draw the weights anew.

    Args:
        model: In place; vectors, such as biases and those of norms, stay as they are.
        words: Standard deviation of what is named nowhere else.
        places: That of position embeddings: where a word counts more than its place, a model
            that shares the weights of its input and its output says one word for ever.
        views: That of what cross-attention adds, which is the same for every word.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                is_view = 'crossattention.output' in name
                is_place = 'position' in name
                parameter.normal_(std=places if is_place else views if is_view else words)
