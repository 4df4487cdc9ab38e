"""The backend that works right after set-up: small networks, composed.

`assets` weights · `ssd` boxes of 23 classes · `efficientnet`, `features` what fills a region, out
of 1000 classes · `wordnet`, `minilm`, `words` which classes a name stands for · `backend` the four
tasks.
"""
