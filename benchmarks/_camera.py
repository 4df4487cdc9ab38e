"""Cameras for the benchmarks: a photograph that moves, no image of which is ever the same again.

Several cameras of one process take turns, as cameras that nothing synchronizes would on average.
"""

import argparse
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

from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.conversions import image_to_msg

RATE_HZ = 30.0
SHIFTS = 15
"""So many photographs, prepared beforehand: making them must not cost the camera its rate."""


def main() -> None:
    """Publish until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--names', default='', help='with commas; nameless where left out')
    parser.add_argument('--size', default='1920x1080')
    parser.add_argument('--reliability', default='best_effort')
    options, _ = parser.parse_known_args()
    width, height = map(int, options.size.split('x'))
    photo = cv2.resize(skimage.data.coffee(), (width, height))
    frames = [np.roll(photo, 16 * shift, axis=1) for shift in range(SHIFTS)]
    # Without rclpy's signal handlers the process just ends, wherever it is.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera')
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[options.reliability.upper()])
    publishers = [
        node.create_publisher(Image, topic_of(name, 'image'), qos)
        for name in options.names.split(',')
    ]
    next_s = time.monotonic()
    for number in range(1_000_000):
        frame = frames[number % SHIFTS]
        # A backend may remember images that it has seen; a real camera has noise.
        frame[0, :4] = np.frombuffer(number.to_bytes(12, 'little'), np.uint8).reshape(4, 3)
        stamp = node.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id='camera')
        publishers[number % len(publishers)].publish(image_to_msg(frame, header))
        next_s += 1.0 / RATE_HZ / len(publishers)
        time.sleep(max(0.0, next_s - time.monotonic()))


if __name__ == '__main__':
    main()
