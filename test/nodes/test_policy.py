"""The SROS 2 policy names what the nodes use, and nothing else."""

from pathlib import Path
import time
from xml.etree import ElementTree as ET

import pytest
import rclpy
from rclpy.action.graph import (
    get_action_client_names_and_types_by_node,
    get_action_server_names_and_types_by_node,
)
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage, Image

from vlm_ros.nodes.perception import NODES, PerceptionNode
from vlm_ros.nodes.shared import Shared

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
MAKE_NODE = {'perception': lambda _: PerceptionNode(), **NODES}
CAMERA_PROFILES = ['detector', 'captioner', 'query', 'overlay']
TIMEOUT_S = 20.0


def enclaves():
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    return list(ET.parse(POLICY, parser).find('enclaves'))


def profiles(path):
    (enclave,) = (e for e in enclaves() if e.get('path') == path)
    return enclave.findall('profiles/profile')


def allowed(profile):
    """What a profile allows, as (node, verb, full name)."""
    node = profile.get('node')
    namespace = profile.get('ns').rstrip('/')
    for rules in profile:
        (verb,) = rules.keys()
        for name in (rule.text for rule in rules):
            relative = f'{node}{name[1:]}' if name.startswith('~') else name
            yield node, verb, name if name.startswith('/') else f'{namespace}/{relative}'


def used(nodes):
    """What nodes of one process use, as (node, verb, full name)."""
    graph = nodes[0]
    verbs = {
        'publish': graph.get_publisher_names_and_types_by_node,
        'subscribe': graph.get_subscriber_names_and_types_by_node,
        'reply': graph.get_service_names_and_types_by_node,
        'request': graph.get_client_names_and_types_by_node,
        'execute': lambda *node: get_action_server_names_and_types_by_node(graph, *node),
        'call': lambda *node: get_action_client_names_and_types_by_node(graph, *node),
    }
    return {
        (node.get_name(), verb, name)
        for node in nodes
        for verb, names_of in verbs.items()
        for name, _ in names_of(node.get_name(), node.get_namespace())
        if '/_action/' not in name  # those of an action go with the action
    }


@pytest.fixture
def start():
    """Starts nodes that share nothing, so that each has what it has in a process of its own."""
    nodes, shared = [], []

    def start(names, *args):
        rclpy.init(args=['--ros-args', *args])
        executor = SingleThreadedExecutor()
        for name in names:
            shared.append(Shared())
            nodes.append(MAKE_NODE[name](shared[-1]))
            executor.add_node(nodes[-1])
        return nodes, executor

    yield start
    for own in shared:
        own.close()
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.parametrize(
    ('enclave', 'namespace', 'cameras'),
    [
        ('/vlm_ros/perception', '/robot', ()),
        ('/vlm_ros/perception', '/with/cameras', ('front', 'rear')),
        ('/vlm_ros/image_source', '/source', ()),
        ('/vlm_ros/monitor', '/watch', ()),
    ],
)
def test_the_policy_is_what_the_nodes_use(start, enclave, namespace, cameras):
    granted = profiles(enclave)
    names = dict.fromkeys(p.get('node') for p in granted)
    if cameras:
        granted = granted[:-4]
        for camera in cameras:
            of_camera = profiles(enclave)[-4:]
            assert [p.get('node') for p in of_camera] == CAMERA_PROFILES
            for profile in of_camera:
                profile.set('ns', f'/{camera}')
            granted += of_camera
    for profile in granted:
        profile.set('ns', namespace + profile.get('ns'))
    policy = {rule for profile in granted for rule in allowed(profile)}
    compressed = {rule for rule in policy if rule[2].endswith('/compressed')}
    nodes, executor = start(
        names,
        *('-r', f'__ns:={namespace}', '-p', 'backend:=fake', '-p', 'use_sim_time:=true'),
        *('-p', f"cameras:='{', '.join(cameras)}'"),
        *('-p', "statements:='door_open: the door is open'"),
    )
    seen = set()

    def look_until(wanted):
        until_s = time.monotonic() + TIMEOUT_S
        while not wanted <= seen and time.monotonic() < until_s:
            executor.spin_once(timeout_sec=0.05)
            seen.update(used(nodes))

    # The overlay reads cameras only while somebody watches.
    viewer = rclpy.create_node('viewer')
    for _, verb, name in policy:
        if verb == 'publish' and name.endswith('/overlay'):
            viewer.create_subscription(Image, name, lambda msg: None, 1)
    look_until(policy - compressed)
    camera = rclpy.create_node('camera')
    for name in {name for _, _, name in compressed}:
        camera.create_publisher(CompressedImage, name, 1)
    look_until(policy)
    camera.destroy_node()
    viewer.destroy_node()
    assert seen == policy


def test_the_client_uses_only_what_the_graph_offers():
    offers = {
        (verb, name) for p in profiles('/vlm_ros/perception') for _, verb, name in allowed(p)
    }
    (client,) = profiles('/behaviour')
    counterparts = {'subscribe': 'publish', 'request': 'reply', 'call': 'execute'}
    asked = {
        (counterparts[verb], name)
        for _, verb, name in allowed(client)
        if verb in counterparts and name != '/clock'
    }
    assert {verb for verb, _ in asked} == set(counterparts.values())
    assert asked <= offers


def test_ros2_security_can_read_the_policy():
    assert {e.tag for e in enclaves()} == {'enclave'}  # it takes a comment for one
    rules = [r for e in enclaves() for p in e.findall('profiles/profile') for r in p]
    assert {value for r in rules for value in r.attrib.values()} == {'ALLOW'}
    assert not any('*' in name.text for r in rules for name in r)
