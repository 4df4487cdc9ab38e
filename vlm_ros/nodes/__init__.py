"""The ROS 2 edge: nodes, message conversions, parameters. Only this folder imports ROS."""
