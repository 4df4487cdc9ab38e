"""One module an architecture family; each needs the libraries that its models run in."""
