"""What was found, drawn into a copy of the image."""

from vlm_ros.drawing.overlays import draw_detections as draw_detections
from vlm_ros.drawing.overlays import preload as preload
