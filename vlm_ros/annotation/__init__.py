"""From a source of images to a dataset."""
