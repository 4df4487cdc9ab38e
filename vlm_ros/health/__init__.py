"""How well a camera's stream and a model do, in the terms of `diagnostic_msgs`; no ROS here."""

from vlm_ros.health.meter import StreamMeter as StreamMeter
from vlm_ros.health.meter import StreamSnapshot as StreamSnapshot
from vlm_ros.health.reports import Level as Level
from vlm_ros.health.reports import model_report as model_report
from vlm_ros.health.reports import Phase as Phase
from vlm_ros.health.reports import process_memory_bytes as process_memory_bytes
from vlm_ros.health.reports import Report as Report
from vlm_ros.health.reports import stream_report as stream_report
from vlm_ros.health.reports import StreamLimits as StreamLimits
