"""The backend that works right after set-up: small networks, composed.

`assets`: where the weights are. `openvino_cpu`: what runs networks. `ssd`: boxes of 23 classes.
`efficientnet`, `features`: what fills a window, out of 1000 classes. `look`: both on one image.
`classes`, `wordnet`, `minilm`, `memory`, `words`: which classes a name stands for. `witness`,
`activation`, `search`: where a name is. `caption`, `backend`: the tasks.
"""

import os
import sys

# OpenMP's threads spin while they wait for work. On a machine that other processes use too, that
# takes the very core the next layer needs: measured on two busy cores, 1.2 s a frame instead of
# 0.2 s. It is read once, when torch is first imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# OpenVINO tells a statistics server of its maker's about every import, as long as it finds this
# library. A robot tells nobody.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
