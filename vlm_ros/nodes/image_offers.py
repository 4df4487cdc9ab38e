"""What the ROS graph says about an image topic: who offers images there, and if nobody, why."""

from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
TYPES = {RAW: Image, COMPRESSED: CompressedImage}

_UNREAD_TRANSPORTS = ('compressedDepth', 'ffmpeg', 'theora', 'zstd')
_MOST_NAMED = 5


@dataclass(frozen=True)
class Offer:
    """A topic that carries images, and the strongest request that all its publishers grant."""

    topic: str
    topic_type: str = RAW
    reliability: ReliabilityPolicy = ReliabilityPolicy.BEST_EFFORT
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE

    @property
    def qos(self) -> QoSProfile:
        """Depth 1; deadline, lifespan and liveliness ask for nothing, so that any offer fits."""
        return QoSProfile(depth=1, reliability=self.reliability, durability=self.durability)

    def __str__(self) -> str:
        names = (self.reliability.name, self.durability.name)
        policies = ', '.join(name.lower().replace('_', ' ') for name in names)
        return f'{self.topic} ({self.topic_type}, {policies})'


def find_offer(node: Node, topic: str) -> Offer | None:
    """Return what `topic` offers, or else its `/compressed` neighbour; None where neither does.

    Raw images go before compressed ones. What a publisher does not say is taken for the weaker.
    """
    for name in (topic, f'{topic}/compressed'):
        publishers = node.get_publishers_info_by_topic(name)
        for topic_type in TYPES:
            offers = [p.qos_profile for p in publishers if p.topic_type == topic_type]
            if not offers:
                continue
            reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers)
            latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers)
            return Offer(
                name,
                topic_type,
                ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
                DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
            )
    return None


def why_no_offer(node: Node, topic: str, name: str) -> str:
    """Return one line about why `topic` offers no image, with the mend.

    Args:
        node: Whose view of the graph it is.
        topic: The full name.
        name: What the node calls it, which is what a remapping has to name.
    """
    types = sorted({p.topic_type for p in node.get_publishers_info_by_topic(topic)})
    if types:
        return f'{topic} carries {", ".join(types)}, which is no image; {_mend(node, topic, name)}'
    unread = [t for t in _UNREAD_TRANSPORTS if node.count_publishers(f'{topic}/{t}')]
    if unread:
        return (
            f'{topic} is published only as {", ".join(f"{topic}/{t}" for t in unread)}, which is '
            f'not read; publish raw images or {topic}/compressed'
        )
    return f'nobody publishes {topic}; {_mend(node, topic, name)}'


def _mend(node: Node, topic: str, name: str) -> str:
    carrying = {
        carrier
        for carrier, types in node.get_topic_names_and_types()
        if TYPES.keys() & set(types) and carrier != topic and node.count_publishers(carrier)
    }
    # Of an image and its transports the image is the one to name.
    found = sorted(c for c in carrying if c.rpartition('/')[0] not in carrying)
    if not found:
        return 'no other topic carries images: start the camera, on the same ROS_DOMAIN_ID'
    more = f' and {len(found) - _MOST_NAMED} more' if len(found) > _MOST_NAMED else ''
    named = ', '.join(found[:_MOST_NAMED])
    return f'remap {name}:=TOPIC to one that carries images: {named}{more}'
