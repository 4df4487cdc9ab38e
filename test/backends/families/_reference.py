"""What the tests of several families need to compare with the library."""

import numpy as np
import torch

from vlm_ros.tasks import Ticket

TOLERANCE = 2e-5
"""Of probabilities, both ways in float32."""
PLANES_FIRST = {'input_data_format': 'channels_first'}
"""For a processor, which would guess it otherwise, and wrongly of an image of a few pixels."""
GREEDY = {'num_beams': 1, 'do_sample': False}


class Stopping(Ticket):
    """Cancels itself at its `last` check."""

    def __init__(self, last):
        super().__init__()
        self.left = last

    def check(self):
        self.left -= 1
        if not self.left:
            self.cancel()
        super().check()


def planes(image):
    """An image as processors take it, `(3, H, W)`."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


def odd_sizes(photos):
    """Two photographs, a strip and a dot."""
    coffee = photos['coffee']
    parts = coffee, coffee[100:111, :333], coffee[:2, :1]
    return [photos['chelsea'].copy(), *(part.copy() for part in parts)]


def shares(likelihoods):
    """The probabilities of texts among each other, of their log-likelihoods."""
    weights = np.exp(np.array(likelihoods) - max(likelihoods))
    return weights / weights.sum()
