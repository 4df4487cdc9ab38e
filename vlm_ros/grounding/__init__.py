"""The steps of grounded answering, below `vlm_ros.grounded`.

`language` says what a text asks for. Here `sightings` looks for what it names, once for all names;
`attributes` and `colours` judge what boxes hold; `evidence`, `comparison` and `inventory` say what
the boxes show, by the geometry of `vlm_ros.spatial`; `asking` asks a question answerer and holds
its word against boxes, by `agreement` and `claims`. `case` is one question on one image,
`answering` its kinds, `frames`, `pairs` and `statements` what is asked of more. `referring` finds
the one object that is meant, `naming` and `matching` the boxes of each phrase of a text, and
`exemplars` lets pictures be names.
"""
