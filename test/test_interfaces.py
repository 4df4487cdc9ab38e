"""The interfaces are the contract: what others compile against and record in bags."""

import json
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
import pytest

from vlm_ros_interfaces import action, msg, srv

pytestmark = pytest.mark.ros

# Type hashes of vision_msgs 4.1.1 as released. Nodes with other hashes would not talk to ours.
RELEASED_TYPE_HASHES = {
    'BoundingBox2D': 'RIHS01_008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f',
    'BoundingBox3D': 'RIHS01_bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698',
    'Detection2D': 'RIHS01_0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea',
    'Detection2DArray': 'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    'Detection3D': 'RIHS01_ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b',
    'Detection3DArray': 'RIHS01_793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018',
    'LabelInfo': 'RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783',
}

LOOK = {'camera': 'string', 'image': 'sensor_msgs/Image'}
LOOK_IN_TIME = LOOK | {'max_image_age_s': 'float', 'timeout_s': 'float'}
RESULT = {
    'status': 'vlm_ros_interfaces/ResultStatus',
    'provenance': 'vlm_ros_interfaces/Provenance',
}
EVIDENCE = {'confidence': 'float', 'evidence': 'vision_msgs/Detection2DArray'}
QUESTION = LOOK_IN_TIME | {
    'question': 'string',
    'choices': 'sequence<string>',
    'roi': 'sensor_msgs/RegionOfInterest',
    'require_evidence': 'boolean',
}
ANSWER = RESULT | EVIDENCE | {'answer': 'string'}

FIELDS = {
    msg.ResultStatus: {'code': 'uint8', 'message': 'string'},
    msg.Provenance: {
        'image_header': 'std_msgs/Header',
        'camera': 'string',
        'model_id': 'string',
        'model_revision': 'string',
        'vocabulary_id': 'string',
        'inference_time': 'builtin_interfaces/Duration',
        'age': 'builtin_interfaces/Duration',
    },
    msg.Caption: RESULT | {'header': 'std_msgs/Header', 'text': 'string', 'score': 'float'},
    msg.PerceptionStatus: RESULT
    | {
        'header': 'std_msgs/Header',
        'frames_received': 'uint32',
        'frames_processed': 'uint32',
        'frames_dropped': 'uint32',
    },
    msg.PhraseGrounding: {
        'phrase': 'string',
        'start': 'uint32',
        'end': 'uint32',
        'detections': 'sequence<uint32>',
        'scores': 'sequence<float>',
    },
    srv.AnswerQuestion.Request: QUESTION,
    srv.AnswerQuestion.Response: ANSWER,
    action.AnswerQuestion.Goal: QUESTION,
    action.AnswerQuestion.Result: ANSWER,
    action.AnswerQuestion.Feedback: {'partial_answer': 'string'},
    srv.GroundPhrases.Request: LOOK | {'text': 'string', 'score_threshold': 'float'},
    srv.GroundPhrases.Response: RESULT
    | {
        'detections': 'vision_msgs/Detection2DArray',
        'groundings': 'sequence<vlm_ros_interfaces/PhraseGrounding>',
    },
    srv.DetectObjects.Request: LOOK
    | {'vocabulary': 'sequence<string>', 'score_threshold': 'float'},
    srv.DetectObjects.Response: RESULT | {'detections': 'vision_msgs/Detection2DArray'},
    srv.VerifyStatement.Request: LOOK_IN_TIME | {'statement': 'string'},
    srv.VerifyStatement.Response: RESULT | EVIDENCE | {'verdict': 'uint8'},
    srv.DescribeImage.Request: LOOK | {'prompt': 'string'},
    srv.DescribeImage.Response: RESULT | {'caption': 'string'},
    srv.SetVocabulary.Request: {'vocabulary': 'sequence<string>'},
    srv.SetVocabulary.Response: {
        'success': 'boolean',
        'message': 'string',
        'vocabulary_id': 'string',
    },
}

STATUS_CODES = {
    'UNSET': 0,
    'OK': 1,
    'NOTHING_FOUND': 2,
    'NOT_IN_VIEW': 3,
    'UNSURE': 4,
    'STALE': 5,
    'NO_IMAGE': 6,
    'TIMEOUT': 7,
    'CANCELLED': 8,
    'FAILED': 9,
}
VERDICTS = {'UNKNOWN': 0, 'TRUE': 1, 'FALSE': 2}


@pytest.mark.parametrize('name', RELEASED_TYPE_HASHES)
def test_vision_msgs_are_the_released_ones(name: str) -> None:
    share = Path(get_package_share_directory('vision_msgs'))
    description = json.loads((share / 'msg' / f'{name}.json').read_text())
    hashes = {entry['type_name']: entry['hash_string'] for entry in description['type_hashes']}
    assert hashes[f'vision_msgs/msg/{name}'] == RELEASED_TYPE_HASHES[name]


@pytest.mark.parametrize('interface', FIELDS, ids=lambda interface: interface.__name__)
def test_interface_has_its_fields(interface: type) -> None:
    fields = interface.get_fields_and_field_types()
    assert FIELDS[interface].items() <= fields.items()


def test_status_codes() -> None:
    assert {name: getattr(msg.ResultStatus, name) for name in STATUS_CODES} == STATUS_CODES


def test_an_unfilled_status_is_not_ok() -> None:
    assert msg.ResultStatus().code == msg.ResultStatus.UNSET
    assert srv.AnswerQuestion.Response().status.code == msg.ResultStatus.UNSET


def test_verdicts() -> None:
    response = srv.VerifyStatement.Response
    assert {name: getattr(response, name) for name in VERDICTS} == VERDICTS
    assert response().verdict == response.UNKNOWN
