"""One module an architecture family; each needs the libraries that its models run in."""

# Before the modules here import transformers: it mends the import of torchvision.
import vlm_ros.backends.engine  # noqa: F401
