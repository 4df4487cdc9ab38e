"""The steps of grounded answering, below `vlm_ros.grounded`.

`questions` reads what a text asks for, out of the things and conditions that `clauses` finds in
it; `sightings` looks for the things; `evidence` and `inventory` say what the boxes show, by the
geometry of `spatial`; `agreement` reads what an answer says; `case` goes through the steps.
"""
