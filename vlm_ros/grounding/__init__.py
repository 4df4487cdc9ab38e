"""The steps of grounded answering, below `vlm_ros.grounded`.

`wording` takes the courtesies off a text, `clauses` finds things and conditions in it and
`questions` says what it asks for; `sightings` looks for the things; `evidence` and `inventory` say
what the boxes show, by the geometry of `spatial`; `agreement` reads what an answer says; `case`
goes through the steps.
"""
