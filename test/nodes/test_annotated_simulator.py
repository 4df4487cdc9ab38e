"""A running simulator's camera becomes a dataset that is scored against the simulator's truth."""

import array
from pathlib import Path
import sys

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from vlm_ros.data.truths.boxes import BoxTruth
from vlm_ros.data.truths.predictions import of_records
from vlm_ros.evaluation.naming import name
from vlm_ros.evaluation.pairing import pair
from vlm_ros.evaluation.summary import summarize
from vlm_ros.images import raw
from vlm_ros.nodes.annotator import AnnotatorNode
from vlm_ros.nodes.conversions import ns_to_stamp
from vlm_ros.records import FrameRecord, Manifest, read_lines
from vlm_ros.simulation.carla import ENCODING

sys.path.append(str(Path(__file__).parents[1] / 'simulation'))

import oracle
from recording import START_NS, truth_of
from world import LABELS, needs_drawing, STEP_S, World

pytestmark = needs_drawing
FRAMES = 8
TOPIC = 'rgb_front/image'


def publish(graph, shot, stamp_ns):
    height, width = shot.image.shape[:2]
    pixels = array.array('B')
    pixels.frombytes(raw.encode(shot.image, ENCODING))
    header = Header(stamp=ns_to_stamp(stamp_ns), frame_id='rgb_front')
    graph.publish(
        Image(
            header=header, height=height, width=width, encoding=ENCODING, step=4 * width,
            data=pixels,
        ),
        TOPIC,
    )  # fmt: skip


def test_a_running_simulator_is_annotated_and_scored(graph, tmp_path):
    folder = tmp_path / 'dataset'
    graph.start(
        AnnotatorNode,
        annotator={
            'backend': 'callable',
            'model': 'oracle:detect',
            'vocabulary': f'[{", ".join(LABELS)}]',
            'images': 'png',
            'cameras': 'rgb_front',
            'track': 'true',
            'output': str(folder),
        },
    )
    (node,) = graph.nodes
    shots, stamps = [], []
    with World(3) as world:
        for number in range(FRAMES):
            shot = world.shoot()
            oracle.learn(shot.image, shot.boxes())
            shots.append(shot)
            stamps.append(START_NS + number * round(STEP_S * 1e9))
            publish(graph, shot, stamps[-1])
            graph.spin_until(
                lambda number=number: node._meters['rgb_front'].processed > number, 'a look'
            )
            world.step(STEP_S)
    assert graph.change_state('annotator', 'deactivate')
    records = list(read_lines(folder / 'annotations.jsonl', FrameRecord))
    manifest = Manifest.model_validate_json((folder / 'dataset.json').read_bytes())
    assert [row.stamp_ns for row in records] == stamps
    truth = truth_of(records, stamps, shots)
    found = of_records(records, truth.images, 'records', manifest)
    paired = pair(BoxTruth(truth), found, name(found.labels, truth.labels))
    score = summarize(paired.images, paired.labels, resamples=20)
    assert (score.score.overall.ap, score.operating.overall.f1) == (1, 1)
    assert score.score.coverage.answered == FRAMES
