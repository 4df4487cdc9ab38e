"""What `vlm-ros evaluate` does for each kind of truth."""
