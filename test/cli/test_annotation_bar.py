"""`vlm-ros annotate`: rate and time left of the bar are of one measure."""

import io
import re
import sys

from vlm_ros.annotation.tally import Progress
from vlm_ros.cli import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_time_left_is_what_the_rate_says(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(sys, 'stderr', shown)
    monkeypatch.setenv('COLUMNS', '100')
    now_s = 100.0
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now_s)
    with progress.AnnotationProgress(quiet=False) as tell:
        tell(Progress(20, 80, 20, 2, 8, 0, 0, 0, 0))
        for done in range(21, 30):
            now_s += 2.0
            tell(Progress(done, 80, 20, 2, 8, done - 20, 0, 0, 0))
        tell._bar.refresh()
    rate_hz, left = re.findall(r'(\d\.\d)/s\s+(\d:\d\d:\d\d)', shown.getvalue())[-1]
    assert (rate_hz, left) == ('0.5', '0:01:42')  # 51 images, a half a second
