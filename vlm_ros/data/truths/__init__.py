"""What is true of images, read from the files in which public datasets are published.

None of the datasets comes with this package; the readers were written after their published
descriptions and are tried on small files of the same layout.
"""
