"""Make a dataset of what live cameras show."""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.conditions import evaluate_condition_expression
from launch.substitutions import LaunchConfiguration, TextSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription
from vlm_ros.nodes.launching import camera_remappings, transport_profile

SHARE = get_package_share_directory('vlm_ros')

# Parameters of the node; what is not given is as in params_file.
TEXTS = {
    'cameras': "Names of the cameras, as 'front, rear'.",
    'plan': 'YAML file with all that is to be annotated, as for vlm-ros annotate --plan.',
    'vocabulary': "Class names to look for, as 'person, forklift'.",
    'labels': 'A set of labels to look for instead: kitti, nuscenes, bdd100k, carla or coco.',
    'images': 'How pictures are kept: jpeg, png or none.',
    'formats': "Formats to export to in the end, as 'coco, yolo, voc, kitti, mcap'.",
    'backend': 'Backend name.',
    'model': "The backend's model id.",
    'device': 'auto, cpu, cuda, cuda:1 or mps.',
    'backend_options': "The backend's own options, as 'threads=1, verbose=true'.",
}
SWITCHES = {
    'track': 'Whether to number things from image to image.',
    'caption': 'Whether to describe each image.',
    'autostart': 'false where a lifecycle manager starts the node.',
}
ARGUMENTS = {
    'output': ('', 'Folder of the dataset, which is made or gone on with.'),
    'image': ('', "Camera topic; with cameras, one each: '/front/image_raw, /rear/image_raw'."),
    **{name: ('', f'{text} Empty: as in params_file.') for name, text in TEXTS.items()},
    **{name: ('', f'{text} Empty: as in params_file.') for name, text in SWITCHES.items()},
    'rate': ('', 'At most so many images of a camera a second. Empty: as in params_file.'),
    'params_file': (os.path.join(SHARE, 'config', 'perception.yaml'), 'Parameters of the node.'),
    'namespace': ('', 'Namespace of the node.'),
    'respawn': ('false', 'Start the process again 2 s after it ended.'),
    'use_sim_time': ('false', 'Take the time from /clock.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}

# Putting a dataset together takes longer than launch gives a process by itself.
PATIENCE_S = '60'


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the node."""
    profile = transport_profile(os.path.join(SHARE, 'config', 'fastdds.xml'))
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            *(SetEnvironmentVariable(name, value) for name, value in profile.items()),
            OpaqueFunction(function=_start_node),
        ]
    )


def _start_node(context: LaunchContext) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}

    def is_true(name: str) -> bool:
        return evaluate_condition_expression(context, [TextSubstitution(text=given[name])])

    overrides = {
        name: ParameterValue(given[name], value_type=str)
        for name in ('output', *TEXTS)
        if given[name]
    }
    for name in SWITCHES:
        if given[name]:
            overrides[name] = is_true(name)
    overrides['use_sim_time'] = is_true('use_sim_time')
    if given['rate']:
        overrides['max_rate_hz'] = _number('rate', given['rate'])
    respawn = is_true('respawn')
    return [
        Node(
            package='vlm_ros',
            executable='annotator',
            namespace=given['namespace'],
            parameters=[given['params_file'], overrides],
            remappings=camera_remappings(given['image'], given['cameras']),
            ros_arguments=['--log-level', given['log_level']],
            output='screen',
            sigterm_timeout=PATIENCE_S,
            respawn=respawn,
            respawn_delay=2.0,
            on_exit=None if respawn else Shutdown(reason='annotator ended'),
        )
    ]


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RuntimeError(f'{name} should be a number, got {text!r}') from error
