"""What the launch files share; launch itself is not needed for it."""

import pytest

from vlm_ros.nodes.launching import camera_remappings, PROFILE_VARIABLES, transport_profile


@pytest.mark.parametrize(
    ('image', 'cameras', 'expected'),
    [
        ('', '', []),
        ('/cam/image', '', [('image', '/cam/image')]),
        ('', 'front, rear', []),
        ('/a, /b,', 'front, rear', [('front/image', '/a'), ('rear/image', '/b')]),
    ],
)
def test_each_camera_is_read_from_its_topic(image, cameras, expected):
    assert camera_remappings(image, cameras) == expected


@pytest.mark.parametrize(
    ('image', 'cameras', 'wanted'),
    [
        ('/a, /b', '', r'one \(or name the cameras\)'),
        ('/a', 'front, rear', 'one for each of front, rear'),
    ],
)
def test_topics_that_do_not_fit_the_cameras_are_refused(image, cameras, wanted):
    with pytest.raises(RuntimeError, match=wanted):
        camera_remappings(image, cameras)


def test_the_profile_is_used_unless_the_user_has_one(monkeypatch):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    assert transport_profile('p.xml') == {PROFILE_VARIABLES[0]: 'p.xml'}
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    assert transport_profile('p.xml') == {PROFILE_VARIABLES[1]: 'p.xml'}
    monkeypatch.setenv(PROFILE_VARIABLES[0], 'own.xml')
    assert transport_profile('p.xml') == {}
