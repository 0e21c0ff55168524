#!/usr/bin/env python3
"""The numbers that a change should not worsen unseen: ./dev numbers [--json]

Sizes of what was built (stripped), and of the sources by folder. Compare two trees by the two outputs."""
import collections
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = {"libchorus.so": "build/lib/libchorus.so", "chorus": "build/bin/chorus", "libchorus.so (lite)": "build-lite/lib/libchorus.so"}


def stripped_size(path):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, str(path)], check=True)
        return pathlib.Path(copy.name).stat().st_size


def source_lines():
    """{first two folders of the path: (files, lines)} of hand-written sources."""
    counts = collections.defaultdict(lambda: [0, 0])
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        path = ROOT / name
        if name.endswith((".h", ".cpp", ".c", ".py", ".sh")) and not name.startswith("gen/") and path.is_file():
            counts["/".join(pathlib.PurePath(name).parts[:-1][:2])][0] += 1
            counts["/".join(pathlib.PurePath(name).parts[:-1][:2])][1] += path.read_bytes().count(b"\n")
    return counts


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sizes = {name: stripped_size(ROOT / path) for name, path in BUILT.items() if (ROOT / path).exists()}
    lines = source_lines()
    if "--json" in sys.argv:
        print(json.dumps({"bytes": sizes, "sources": lines}))
        return
    for name, size in sizes.items():
        print(f"{name:24} {size:10} bytes stripped")
    for folder, (files, count) in sorted(lines.items()):
        print(f"{folder or '.':24} {count:10} lines in {files} files")
    print(f"{'all':24} {sum(count for _, count in lines.values()):10} lines in {sum(files for files, _ in lines.values())} files")


if __name__ == "__main__":
    main()
