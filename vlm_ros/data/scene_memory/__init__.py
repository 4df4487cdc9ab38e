"""What was seen when and where, kept in one bounded file and searched by meaning."""

from vlm_ros.data.scene_memory.memory import Limits as Limits
from vlm_ros.data.scene_memory.memory import SceneMemory as SceneMemory
from vlm_ros.data.scene_memory.moments import Match as Match
from vlm_ros.data.scene_memory.moments import Moment as Moment
from vlm_ros.data.scene_memory.moments import Pose as Pose
from vlm_ros.data.scene_memory.moments import Search as Search
from vlm_ros.data.scene_memory.moments import thumbnail as thumbnail
from vlm_ros.data.scene_memory.scoring import Background as Background
