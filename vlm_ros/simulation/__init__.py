"""Truth from simulators: where their things are in the picture, and what to ask about them."""
