"""Lets the PyPI build of PyTorch be imported without the three gigabytes of CUDA libraries that it names.

    stub_cuda.py SITE_PACKAGES

The truth environment computes on the processor alone, yet `import torch` refuses to start while libcublas, libcudnn,
libnccl … are absent, because the dynamic linker wants every library that libtorch_cuda.so names. This script asks the
libraries of the wheel which of those are missing and which functions they want from them, and compiles one small shared
object with these functions, reachable under every missing name in torch/lib. A call of any of them ends the process
with its name; nothing is called as long as no CUDA device is used. Libraries that are really installed are left alone.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile

SYSTEM_LIBRARIES = re.compile(r"^(lib(cuda|c|m|dl|rt|pthread|stdc\+\+|gcc_s|util)\.so|ld-linux)")
CUDA_NAMES = re.compile(r"^(cu|nccl|nvrtc|nvshmem|nvtx)\w*$")


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, str(path)], check=True, capture_output=True, text=True).stdout


def needed_names(path):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", path))


def undefined_symbols(path):
    """(name, version or None) of every symbol that the library wants from others."""
    for line in readelf("--dyn-syms", path).splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[6] == "UND":
            name, _, version = fields[7].partition("@")
            yield name, version.lstrip("@") or None


def wanted_versions(path, libraries):
    """Versions that the library asks of `libraries` (the version-needs section)."""
    versions, current = set(), None
    for line in readelf("-V", path).splitlines():
        if match := re.search(r"File: (\S+)", line):
            current = match.group(1)
        elif (match := re.search(r"Name: (\S+)", line)) and current in libraries:
            versions.add(match.group(1))
    return versions


def missing_libraries(wheel_libraries, present):
    names = {name for path in wheel_libraries for name in needed_names(path)}
    return {name for name in names if name not in present and not SYSTEM_LIBRARIES.match(name)}


def source_and_map(symbols):
    """C source with one function per symbol, and the linker map that gives each its version."""
    lines = [
        "#include <stdio.h>",
        "#include <stdlib.h>",
        "static void refuse(const char* name) {",
        '  fprintf(stderr, "%s: this PyTorch was installed without CUDA libraries\\n", name);',
        "  abort();",
        "}",
    ]
    nodes = {}
    for name, version in sorted(symbols, key=lambda s: (s[1] or "", s[0])):
        lines.append(f'void {name}(void) {{ refuse("{name}"); }}')
        nodes.setdefault(version, []).append(name)
    text = ""
    for version, names in nodes.items():
        text += f"{version or 'CHORUS_STUB'} {{ global: {' '.join(n + ';' for n in names)} }};\n"
    return "\n".join(lines) + "\n", text + "CHORUS_HIDDEN { local: *; };\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site_packages", type=pathlib.Path)
    args = parser.parse_args()
    torch_lib = args.site_packages / "torch" / "lib"
    for link in torch_lib.iterdir():
        if link.is_symlink() and link.readlink().name == "libcuda_absent.so":
            link.unlink()
    (torch_lib / "libcuda_absent.so").unlink(missing_ok=True)
    wheel_libraries = sorted(torch_lib.glob("*.so"))
    present = {p.name for p in args.site_packages.glob("torch/lib/*.so*")}
    present |= {p.name for p in args.site_packages.glob("nvidia/**/*.so*")}
    missing = missing_libraries(wheel_libraries, present)
    if not missing:
        print("nothing is missing")
        return
    symbols = set()
    for path in wheel_libraries:
        versions = wanted_versions(path, missing)
        for name, version in undefined_symbols(path):
            if version in versions or (version is None and CUDA_NAMES.match(name)):
                symbols.add((name, version))
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        source, version_map = source_and_map(symbols)
        (folder / "absent.c").write_text(source)
        (folder / "absent.map").write_text(version_map)
        command = [
            "cc",
            "-shared",
            "-fPIC",
            "-O1",
            "-o",
            str(torch_lib / "libcuda_absent.so"),
            str(folder / "absent.c"),
        ]
        subprocess.run([*command, f"-Wl,--version-script={folder / 'absent.map'}"], check=True)
    for name in sorted(missing):
        (torch_lib / name).symlink_to("libcuda_absent.so")
    print(f"{len(symbols)} functions stand in for {len(missing)} libraries: {' '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
