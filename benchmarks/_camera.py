"""A camera for the benchmarks: a photograph that moves, so that no two images are the same."""

import sys
import time

import cv2
import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
import skimage.data
from std_msgs.msg import Header

from vlm_ros.nodes.conversions import image_to_msg

HEIGHT_WIDTH = (1080, 1920)
RATE_HZ = 30.0
SHIFTS = 15
"""So many different images, prepared beforehand: making them must not cost the camera its rate."""


def main() -> None:
    """Publish until the process is ended."""
    photo = cv2.resize(skimage.data.coffee(), HEIGHT_WIDTH[::-1])
    frames = [np.roll(photo, 16 * shift, axis=1) for shift in range(SHIFTS)]
    # Without rclpy's signal handlers the process just ends, wherever it is.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera')
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(Image, 'image', qos)
    next_s = time.monotonic()
    for number in range(1_000_000):
        stamp = node.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id='camera')
        publisher.publish(image_to_msg(frames[number % SHIFTS], header))
        next_s += 1.0 / RATE_HZ
        time.sleep(max(0.0, next_s - time.monotonic()))


if __name__ == '__main__':
    main()
