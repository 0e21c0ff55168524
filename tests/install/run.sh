#!/usr/bin/env bash
# Installs the library of a build folder (the argument) into an empty folder, builds the program beside this script against
# it as a stranger would (find_package(Chorus), nothing of the source tree), and runs it; then one that takes the sources in.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
build="$(cd "${1:?the build folder}" && pwd)"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT

cmake --install "$build" --component library --prefix "$place/prefix" >/dev/null
cp -r "$here/stranger" "$place/source"
cmake -S "$place/source" -B "$place/build" -G Ninja -DCMAKE_PREFIX_PATH="$place/prefix" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$place/build" >"$place/log" 2>&1 || { cat "$place/log" && exit 1; }
"$place/build/hello"

# The same program with the sources taken in (add_subdirectory, FetchContent): beside the build folder, where cached objects fit.
taken="$(dirname "$build")/build-taken-in"
trap 'rm -rf "$place" "$taken"' EXIT
cmake -S "$here/subproject" -B "$taken" -G Ninja -DCHORUS_SOURCE="$(cd "$here/../.." && pwd)" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$taken" --target hello >"$place/log" 2>&1 || { tail -30 "$place/log" && exit 1; }
"$taken/hello"
