# The stage that compiles the interface packages. Sourced by scripts/setup, which runs it in a shell of
# its own. Part of their name: a change here compiles them anew.
# shellcheck shell=bash
# shellcheck disable=SC2154  # clone, environment, distro and python_version are set by what sources this

# Provides the interface packages. Compiling them takes longest and what they are made from changes
# least, so environments share them.
build_interfaces() {
  local shared
  shared=$CACHE/interfaces/$distro-py$python_version-$(interfaces_inputs | digest 12)
  if [[ ! -d $shared ]]; then
    compile_interfaces
    mkdir -p -- "${shared%/*}"
    mv -T -- "$environment/compiled" "$shared" || [[ -d $shared ]]  # another was quicker
  fi
  ln -sfn -- "$shared" "$environment/install"
}

# Compiles the interface packages, and the stand-in for vision_msgs where there is no real one.
compile_interfaces() {
  local source=$environment/source
  rm -rf -- "$source" "$environment"/{build,compiled,install}
  mkdir -- "$source"
  cp -r -- "$clone/vlm_ros_interfaces" "$source"
  enter_environment
  if ! has_package vision_msgs; then
    cp -r -- "$clone/scripts/vision_msgs" "$source"
    rm -- "$source/vision_msgs/COLCON_IGNORE"
  fi
  cd -- "$environment" || return
  # Said here because colcon would add a limit on the machine's load and so starve on a busy one.
  MAKEFLAGS=-j$(nproc)
  export MAKEFLAGS
  colcon --log-base "$environment/log/colcon" build --merge-install --base-paths "$source" \
    --install-base "$environment/compiled" \
    --cmake-args -DPython3_EXECUTABLE="$venv_python" -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release
  rm -rf -- "$source" "$environment/build"
}

has_package() {
  local prefix prefixes
  IFS=: read -ra prefixes <<<"$AMENT_PREFIX_PATH"
  for prefix in "${prefixes[@]}"; do
    [[ -e $prefix/share/$1/package.xml ]] && return
  done
  return 1
}
