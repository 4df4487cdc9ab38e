"""What the `query` node offers, one module a kind of result.

Each class takes the node, offers its services on it and keeps what they need; the node knows no
more of it. A callback says what the model has to do on the view of an image, and fills in the
response with what came of it.
"""
