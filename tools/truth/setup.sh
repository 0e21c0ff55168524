#!/usr/bin/env bash
# Makes .cache/venv-truth: the pinned Python packages that the scripts of this folder check Chorus against.
#   setup.sh           onnx, onnxruntime, numpy
#   setup.sh --torch   PyTorch, torchvision and transformers as well (for export_models.py)
# A stamp holds the hash of the pins, so a second run does nothing. Prints the Python to use.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$here/../.." && pwd)/.cache/venv-truth
parts=(requirements.txt)
case "${1:-}" in
  "") ;;
  --torch) parts+=(requirements-torch.txt) ;;
  *) echo "usage: setup.sh [--torch]" >&2; exit 2 ;;
esac

mkdir -p "$venv"
exec 9>"$venv/lock"
flock 9  # two test runs may start at once

python=$(command -v python3.11 || command -v python3)
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv" >&2
for part in "${parts[@]}"; do
  stamp="$venv/stamp-$part"
  hash=$(cat "$here/$part" "$here/stub_cuda.py" | sha256sum | cut -d' ' -f1)
  [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] && continue
  echo "truth: installing $part" >&2
  rm -f "$stamp"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r "$here/$part" >&2
  if [ "$part" = requirements-torch.txt ]; then
    "$venv/bin/python" "$here/stub_cuda.py" "$venv"/lib/python3*/site-packages >&2
  fi
  echo "$hash" >"$stamp"
done
echo "$venv/bin/python"
