# The stages that install what pip brings. Sourced by scripts/setup, which runs each once, in this order,
# in a shell of its own. Part of the environment's name: a change here makes a new environment.
# shellcheck shell=bash
# shellcheck disable=SC2154  # clone, environment, kind, distro and python are set by what sources this

readonly venv_python=$environment/venv/bin/python

# Tools go into the environment even where the system has them: the system's run the system's Python,
# which sees nothing of the environment.
own=()
[[ $kind == wheels ]] || own=(--ignore-installed)

pip_install() {
  local metadata
  # pip writes INSTALLER near the end: a package without it was interrupted and would pass as installed.
  for metadata in "$environment"/venv/lib/python3.*/site-packages/*.dist-info; do
    [[ -e $metadata/INSTALLER ]] || rm -rf -- "$metadata"
  done
  "$venv_python" -m pip install --disable-pip-version-check --no-input \
    --constraint "$environment/constraints.txt" "$@"
}

make_venv() {
  local requirements=$clone/scripts/requirements options=()
  cp -- "$requirements/constraints.txt" "$environment/constraints.txt"
  [[ $kind == wheels ]] || options=(--system-site-packages)
  "$python" -m venv --clear "${options[@]}" "$environment/venv"
  if [[ $kind == sourced ]]; then
    # The distribution's cv_bridge is compiled against its numpy: stay with that major version.
    "$venv_python" -c 'import numpy; print(f"numpy<{int(numpy.__version__[0]) + 1}")' \
      >>"$environment/constraints.txt" || true
  fi
}

install_ros() {
  local requirements=$clone/scripts/requirements
  if [[ $kind == wheels ]]; then
    pip_install -r "$requirements/ros-$distro.txt" -r "$requirements/build.txt"
    point_to_headers
  else
    pip_install "${own[@]}" -r "$requirements/build.txt"
  fi
}

# The wheels' CMake files name the include folders of the machine that built them.
point_to_headers() {
  local python_include numpy_include
  python_include=$("$venv_python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  numpy_include=$("$venv_python" -c 'import numpy; print(numpy.get_include())')
  grep -rlZ --include='*.cmake' /opt/python/ "$environment/venv/share" | xargs -0r sed -i -E \
    -e "s#/opt/python/[^;\"]*/numpy/_?core/include#$numpy_include#g" \
    -e "s#/opt/python/[^;\"]*/include/python3\.[0-9]+#$python_include#g"
}

install_runtime() {
  local requirements=$clone/scripts/requirements
  pip_install -r "$requirements/runtime.txt"
  pip_install --no-deps -r "$requirements/alone.txt"
  pip_install "${own[@]}" -r "$requirements/dev.txt"
  if [[ $kind == wheels ]] || ! "$venv_python" -c 'import cv2, cv_bridge'; then
    pip_install -r "$requirements/images.txt"
  fi
}
