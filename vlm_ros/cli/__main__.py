"""`python -m vlm_ros.cli`, the same as `vlm-ros`."""

import sys

from vlm_ros.cli.main import main

sys.exit(main())
