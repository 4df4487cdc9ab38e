"""The backend that works right after set-up: small networks, composed.

`assets`: where the weights are. `ssd`: boxes of 23 classes. `efficientnet`, `features`: what fills
a window, out of 1000 classes. `look`: both on one image.
`classes`, `wordnet`, `minilm`, `memory`, `words`: which classes a name stands for. `witness`,
`activation`, `search`: where a name is. `caption`, `backend`: the tasks.
"""
