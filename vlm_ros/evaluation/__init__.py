"""How good predictions are, held against the truth."""
