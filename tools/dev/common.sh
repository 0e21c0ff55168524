# Helpers of every sub-command: messages, packages of the system, files and engines from the Python package index, builds.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() {
  printf 'dev: %s\n' "$*" >&2
  exit 2
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "installing packages needs root or sudo; install by hand: $*"
  fi
}

# need_packages GROUP…: installs what tools/dev/packages.txt lists for the groups and dpkg does not know yet.
need_packages() {
  command -v dpkg-query >/dev/null || return 0  # not Debian: the build names what it misses
  local group wanted=() missing=()
  for group in "$@"; do
    mapfile -t -O "${#wanted[@]}" wanted < <(awk -v g="$group" '$1 == g { print $2 }' tools/dev/packages.txt)
  done
  mapfile -t missing < <(
    comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
      <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
  )
  [ "${#missing[@]}" = 0 ] && return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get update -qq </dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null >&2
}

# need_files PREFIX…: the pinned files below .cache/PREFIX (models, pictures) are there and whole.
need_files() { python3 tools/dev/fetch.py files "$@"; }

# need_configured PRESET: its build folder is configured; Ninja itself configures again when a CMake file changes.
need_configured() {
  local folder fresh=()
  folder="$(build_folder "$1")"
  if [ -f "$folder/CMakeCache.txt" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$folder/CMakeCache.txt"; then
    fresh=(--fresh)  # the checkout was moved or copied with its build folder
  elif [ -f "$folder/build.ninja" ]; then
    return 0
  fi
  say "configuring $1"
  cmake --preset "$1" "${fresh[@]}" >"$(log_file "configure-$1")" 2>&1 </dev/null || {
    cat "$(log_file "configure-$1")" >&2
    return 1
  }
}

# need_build PRESET [TARGET…]: configured, and the targets (all of them when none is named) are built.
need_build() {
  local preset="$1" folder
  shift
  folder="$(build_folder "$preset")"
  need_configured "$preset" || return 1
  # -k 0: goes on after an error, so that one broken part does not hide the others.
  local build=(cmake --build "$folder" --target "${@:-all}" -- -k 0)
  if [ -t 2 ] || [ -n "${CI:-}" ]; then
    "${build[@]}" </dev/null >&2
  else
    say "building $preset"
    "${build[@]}" </dev/null >"$(log_file "build-$preset")" 2>&1 || {
      { grep -A12 -E 'FAILED|error:' "$(log_file "build-$preset")" || tail -20 "$(log_file "build-$preset")"; } | head -60 >&2
      say "the preset $preset does not build; all of it: $(log_file "build-$preset")"
      return 1
    }
  fi
}

build_folder() {
  case "$1" in
    release) echo build ;;
    *) echo "build-$1" ;;
  esac
}

log_file() {
  mkdir -p .cache/logs
  echo ".cache/logs/$1.txt"
}
