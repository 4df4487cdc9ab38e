"""What this machine can run, and how to mend what it cannot."""

from vlm_ros.backends.doctor.finding import Finding, State
from vlm_ros.backends.doctor.libraries import examine_libraries
from vlm_ros.backends.doctor.machine import examine_machine
from vlm_ros.backends.doctor.ros import examine_ros
from vlm_ros.backends.doctor.weights import examine_weights

__all__ = ['Finding', 'State', 'examine']


def examine() -> list[Finding]:
    """Look at the machine, the libraries, ROS and the weights; nothing is loaded or changed."""
    return [*examine_machine(), *examine_libraries(), *examine_ros(), *examine_weights()]
