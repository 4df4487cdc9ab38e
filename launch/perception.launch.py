"""Start the perception graph on a camera topic, or on a source of images of its own."""

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

# Parameters of the nodes; what is not given is as in params_file.
TEXTS = {
    'cameras': "Names of the cameras, as 'front, rear'.",
    'backend': 'Backend name.',
    'model': "The backend's model id.",
    'device': 'auto, cpu, cuda, cuda:1 or mps.',
    'backend_options': "The backend's own options, as 'threads=1, verbose=true'.",
    'detector': "What looks for what is asked about, where not the backend, as 'owl device=cuda'.",
    'fallback': "Backends to use while the first cannot be, as 'embedded threads=1, fake'.",
    'vocabulary': "Class names, as 'person, forklift'.",
    'statements': "What to watch, as 'door_open: the door is open'; starts the monitor.",
}
ARGUMENTS = {
    'image': ('', "Camera topic; with cameras, one each: '/front/image_raw, /rear/image_raw'."),
    'camera_info': ('camera_info', 'Where the source publishes its camera_info.'),
    **{name: ('', f'{text} Empty: as in params_file.') for name, text in TEXTS.items()},
    'autostart': (
        '',
        'false where a lifecycle manager starts the nodes. Empty: as in params_file.',
    ),
    'params_file': (os.path.join(SHARE, 'config', 'perception.yaml'), 'Parameters of all nodes.'),
    'namespace': ('', 'Namespace of all nodes.'),
    'source': ('', 'Play this instead of a camera: photograph, folder, video, webcam index, URL.'),
    'overlay': ('true', 'Whether to publish images with the results drawn in.'),
    'memory': ('false', 'Whether to remember what the cameras saw, for search_memory.'),
    'composed': ('true', 'Run all nodes in one process, with the weights loaded once.'),
    'respawn': ('false', 'Start a process again 2 s after it ended, instead of ending all.'),
    'use_sim_time': ('false', 'Take the time from /clock.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the nodes."""
    profile = transport_profile(os.path.join(SHARE, 'config', 'fastdds.xml'))
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            *(SetEnvironmentVariable(name, value) for name, value in profile.items()),
            OpaqueFunction(function=_start_nodes),
        ]
    )


def _start_nodes(context: LaunchContext) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}

    def is_true(name: str) -> bool:
        return evaluate_condition_expression(context, [TextSubstitution(text=given[name])])

    overrides = {
        name: ParameterValue(given[name], value_type=str)
        for name in (*TEXTS, 'source')
        if given[name]
    }
    # The nodes configure and activate themselves: a process holds several of them, which the
    # LifecycleNode of launch_ros does not provide for, and only they know why it fails.
    if given['autostart']:
        overrides['autostart'] = is_true('autostart')
    overrides['use_sim_time'] = is_true('use_sim_time')
    if given['cameras'] and given['source']:
        raise RuntimeError('source plays one camera without a name: leave out cameras or source')
    remappings = camera_remappings(given['image'], given['cameras'])
    names = ['detector', 'captioner', 'query']
    if is_true('overlay'):
        names.append('overlay')
    if given['statements']:
        names.append('monitor')
    if is_true('memory'):
        names.append('memory')
    if given['source']:
        names.append('image_source')
    executables = names
    if is_true('composed'):
        executables = ['perception']
        overrides['nodes'] = ParameterValue(','.join(names), value_type=str)
    respawn = is_true('respawn')
    return [
        Node(
            package='vlm_ros',
            executable=executable,
            namespace=given['namespace'],
            parameters=[given['params_file'], overrides],
            remappings=[*remappings, ('camera_info', given['camera_info'])],
            ros_arguments=['--log-level', given['log_level']],
            output='screen',
            respawn=respawn,
            respawn_delay=2.0,
            on_exit=None if respawn else Shutdown(reason=f'{executable} ended'),
        )
        for executable in executables
    ]
