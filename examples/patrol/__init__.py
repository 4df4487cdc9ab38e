"""A robot that patrols, looks for a person lying on the floor, and reports.

Run it beside the nodes, in the folder `examples`: `python -m patrol --help`.
"""
