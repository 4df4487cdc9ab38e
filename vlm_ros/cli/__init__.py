"""The command `vlm-ros`: one file, one verb, whose docstring's first line is its help.

A verb's module has `add_arguments(parser)` and `main(args)`, which returns the exit status. It
imports what takes time inside `main`, so that help comes at once.
"""
