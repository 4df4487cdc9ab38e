"""What the launch files share."""

import os

# Fast DDS 2, up to Jazzy, reads the first; Fast DDS 3 the second, and it complains of the first.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def transport_profile(profile: str) -> dict[str, str]:
    """Return the environment in which Fast DDS uses a profile; empty where the user has one."""
    if any(os.environ.get(name) for name in PROFILE_VARIABLES):
        return {}
    is_newer = os.environ.get('ROS_DISTRO') not in ('humble', 'iron', 'jazzy')
    return {PROFILE_VARIABLES[is_newer]: profile}


def camera_remappings(image: str, cameras: str) -> list[tuple[str, str]]:
    """Return which topic each camera is read from.

    Args:
        image: Topics, with commas; empty for those that the names tell.
        cameras: Names of cameras, with commas; empty for one without a name.

    Raises:
        RuntimeError: There are not as many topics as cameras, which `launch` says in one line.
    """
    topics, names = (
        [text.strip() for text in given.split(',') if text.strip()] for given in (image, cameras)
    )
    if topics and len(topics) != max(1, len(names)):
        wanted = f'one for each of {", ".join(names)}' if names else 'one (or name the cameras)'
        raise RuntimeError(f'image names {len(topics)} topics; give {wanted}')
    inside = [f'{name}/image' for name in names] or ['image']
    return list(zip(inside, topics, strict=False))
