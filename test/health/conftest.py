"""A camera on a clock of its own."""

import pytest

from vlm_ros.health import StreamMeter


class Camera:
    """Plays images into a meter; its clock goes on only while it plays or is told to."""

    def __init__(self):
        self.now_s = 1000.0
        self.meter = StreamMeter(clock=lambda: self.now_s)

    def play(self, duration_s, rate_hz=30, every=4, **result):
        """Every so manieth image is looked at, the others are overtaken."""
        result = {'failed': False, 'inference_s': 0.1, 'age_s': 0.15} | result
        for number in range(round(duration_s * rate_hz)):
            self.now_s += 1 / rate_hz
            self.meter.receive()
            if every and number % every == 0:
                self.meter.process(**result)
            else:
                self.meter.drop()


@pytest.fixture
def camera():
    """A camera that has shown nothing yet."""
    return Camera()
