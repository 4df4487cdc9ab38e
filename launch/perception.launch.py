"""Start the perception graph on a camera topic, or on a source of images of its own."""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

SHARE = get_package_share_directory('vlm_ros')

ARGUMENTS = {
    'image': ('image', 'Camera topic to look at (sensor_msgs/Image or CompressedImage).'),
    'camera_info': ('camera_info', 'The camera_info topic that goes with it.'),
    'backend': ('', 'Backend name; empty for the one of params_file.'),
    'model': ('', "The backend's model id; empty for the one of params_file."),
    'vocabulary': ('', "Class names, as 'person, forklift'; empty for those of params_file."),
    'device': ('', 'cpu, cuda, cuda:1; empty for the one of params_file.'),
    'params_file': (os.path.join(SHARE, 'config', 'perception.yaml'), 'Parameters of all nodes.'),
    'namespace': ('', 'Namespace of all nodes.'),
    'source': ('', 'Play this instead of a camera: photograph, folder, video, webcam index, URL.'),
    'overlay': ('true', 'Whether to publish images with the results drawn in.'),
    'composed': ('true', 'Run all nodes in one process, with the weights loaded once.'),
    'use_sim_time': ('false', 'Take the time from /clock.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}

# Fast DDS 2, up to Jazzy, reads the first; Fast DDS 3 the second, and it complains of the first.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the nodes."""
    profile = os.path.join(SHARE, 'config', 'fastdds.xml')
    own_profile = any(os.environ.get(name) for name in PROFILE_VARIABLES)
    variable = PROFILE_VARIABLES[os.environ.get('ROS_DISTRO') not in ('humble', 'iron', 'jazzy')]
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            *([] if own_profile else [SetEnvironmentVariable(variable, profile)]),
            OpaqueFunction(function=_start_nodes),
        ]
    )


def _start_nodes(context: LaunchContext) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    overrides = {
        name: ParameterValue(given[name], value_type=str)
        for name in ('backend', 'model', 'vocabulary', 'device', 'source')
        if given[name]
    }
    overrides['use_sim_time'] = _is_true(given['use_sim_time'])
    names = ['detector', 'captioner', 'query']
    if _is_true(given['overlay']):
        names.append('overlay')
    if given['source']:
        names.append('image_source')
    executables = names
    if _is_true(given['composed']):
        executables = ['perception']
        overrides['nodes'] = ParameterValue(','.join(names), value_type=str)
    return [
        Node(
            package='vlm_ros',
            executable=executable,
            namespace=given['namespace'],
            parameters=[given['params_file'], overrides],
            remappings=[('image', given['image']), ('camera_info', given['camera_info'])],
            ros_arguments=['--log-level', given['log_level']],
            output='screen',
            on_exit=Shutdown(reason=f'{executable} ended'),
        )
        for executable in executables
    ]


def _is_true(text: str) -> bool:
    return text.lower() in ('true', '1', 'yes', 'on')
