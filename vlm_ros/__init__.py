"""Language on top of a robot's cameras: detection, grounding, captions and answers.

The core (values, tasks, boxes, phrases, images) needs neither ROS nor a deep-learning library;
`vlm_ros.nodes` puts it on ROS 2 topics and `vlm_ros.backends` puts models behind it.
"""
