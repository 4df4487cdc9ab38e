"""The captioner node, through real topics."""

from vlm_ros.nodes.captioner import CaptionerNode
from vlm_ros_interfaces.msg import Caption, ResultStatus


def test_a_caption_carries_its_image_and_model(graph):
    graph.start(CaptionerNode, captioner={'backend': 'fake'})
    captions = graph.collect(Caption, 'caption')
    graph.connect()
    msg = graph.stamped()
    caption = graph.show(captions, msg)
    assert caption.status.code == ResultStatus.OK
    assert '64 by 48' in caption.text
    assert 0.0 < caption.score <= 1.0
    assert caption.provenance.image_header == msg.header
    assert caption.provenance.model_id == 'fake'
    assert caption.provenance.camera == ''
    assert caption.provenance.age.nanosec > 0


def test_a_failure_is_a_caption_message_without_text(graph):
    graph.start(CaptionerNode, captioner={'backend': 'fake', 'max_rate_hz': '1000.0'})
    captions = graph.collect(Caption, 'caption')
    failed = graph.show(captions, graph.stamped(encoding='rgb9'))
    assert failed.status.code == ResultStatus.FAILED
    assert 'rgb9' in failed.status.message
    assert (failed.text, failed.score) == ('', 0.0)
    assert graph.show(captions).status.code == ResultStatus.OK


def test_the_rate_is_kept(graph):
    graph.start(CaptionerNode, captioner={'backend': 'fake', 'max_rate_hz': '0.1'})
    captions = graph.collect(Caption, 'caption')
    graph.show(captions)
    for _ in range(5):
        graph.publish(graph.stamped())
        graph.spin_for(0.05)
    assert len(captions) == 1
