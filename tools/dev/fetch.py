#!/usr/bin/env python3
"""Pinned files and engines from the Python package index, as tools/dev/pins.txt lists them.

  fetch.py files PREFIX…    the files whose destination starts with PREFIX, into .cache/
  fetch.py engines NAME…    the engines, each into .engines/NAME/ (their dependencies exclude one another); all for "all"

What is there already with the right version is not touched, so that a second call costs nothing.
"""
import fnmatch
import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
ENGINES = ROOT / ".engines"
# Wheels are only unpacked for their data, so one Python version for all machines gives everywhere the same file.
WHEEL_PYTHON = "3.11"


def pins(kind):
    """The lines of the table that start with `kind`, without that word."""
    for line in (ROOT / "tools/dev/pins.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words and words[0] == kind:
            yield words[1:]


def pip(*arguments):
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"fetch: pip failed: {' '.join(arguments)}\n{done.stdout.strip()}")


def sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wheel(requirement):
    """The downloaded wheel of `name==version`, kept in .cache/wheels until its files are unpacked."""
    folder = CACHE / "wheels" / requirement.replace("==", "-")
    found = sorted(folder.glob("*.whl"))
    if not found:
        print(f"fetching {requirement}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        pip("download", "--no-deps", "--only-binary=:all:", "--python-version", WHEEL_PYTHON, "-d", str(folder), requirement)
        found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        sys.exit(f"fetch: {requirement} gave {len(found)} wheels instead of one, in {folder.relative_to(ROOT)}")
    return found[0]


def fetch_files(prefixes):
    wheels = set()
    for requirement, member, destination, digest in pins("file"):
        if not any(destination.startswith(prefix) for prefix in prefixes):
            continue
        target = CACHE / destination
        stamp = target.with_name(f".{target.name}.{digest[:16]}")  # written after the contents were verified
        if target.exists() and stamp.exists():
            continue
        archive = wheel(requirement)
        wheels.add(archive.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as opened, tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
            with opened.open(member) as source:
                shutil.copyfileobj(source, part)
        got = sha256(pathlib.Path(part.name))
        if got != digest:
            os.unlink(part.name)
            sys.exit(f"fetch: {member} of {requirement} has sha256 {got}, the table says {digest}")
        os.chmod(part.name, 0o644)
        os.replace(part.name, target)
        stamp.touch()
    for folder in wheels:
        shutil.rmtree(folder)


def source(requirement, digest, folder):
    """The unpacked source package of `name==version`, below `folder`. Its own version is the day of its build, so that pip refuses it after
    unpacking: what counts is that pip has checked the sum before."""
    name = requirement.partition("==")[0]
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{digest}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-clean", "--no-deps",
               "--no-build-isolation", "--require-hashes", "--no-binary", name, "-d", str(folder), "-r", str(wanted)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "TMPDIR": str(folder)})
    found = sorted(folder.glob(f"pip-*/{name}_*/CMakeLists.txt"))
    if len(found) != 1:
        sys.exit(f"fetch: pip did not unpack {requirement}\n{done.stdout.strip()}")
    return found[0].parent


def processor():
    """The instruction set that a library built here is for, and CMake's options for it."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    if all(f" {name}" in flags for name in ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd")):
        return "avx512", ["-DNCNN_AVX512=ON"]
    if " avx2" in flags and " fma" in flags:
        return "avx2", ["-DNCNN_AVX512=OFF"]
    return "", []


def build_ncnn(requirement, digest, folder):
    """libncnn.so for this processor, with the layers that Chorus writes, in float32 alone."""
    version = requirement.partition("==")[2]
    with tempfile.TemporaryDirectory(prefix="ncnn-") as work:
        tree, build = source(requirement, digest, pathlib.Path(work)), pathlib.Path(work) / "build"
        needs, options = processor()
        # The order of sums and NaN are kept, and loading the library leaves the processor's rounding modes as they are.
        rules = tree / "src/CMakeLists.txt"
        rules.write_text(rules.read_text().replace("PRIVATE -Ofast", "PRIVATE -O2").replace("-ffast-math", "-fno-math-errno"))
        off = ("INT8 BF16 WEIGHT_QUANT PIXEL PIXEL_ROTATE PIXEL_AFFINE PIXEL_DRAWING STDIO VULKAN PYTHON BUILD_TOOLS BUILD_EXAMPLES "
               "BUILD_BENCHMARK BUILD_TESTS RUNTIME_CPU XOP AVX512VNNI AVX512BF16 AVX512FP16 AVXVNNI AVXNECONVERT").split()
        layers = ("absval argmax bias bnll copyto deepcopy deformableconv2d dequantize detectionoutput diag dropout einsum exp fold glu "
                  "gridsample inversespectrogram log multiheadattention mvn normalize power priorbox proposal psroipooling quantize "
                  "requantize roialign roipooling rotaryembed scale sdpa shufflechannel spectrogram spp statisticspooling threshold unfold "
                  "yolodetectionoutput yolov3detectionoutput").split()
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        subprocess.run(["cmake", "-G", "Ninja", "-S", tree, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DNCNN_SHARED_LIB=ON",
                        "-DNCNN_SIMPLEOMP=ON",  # threads of its own, which wait without spinning
                        f"-DNCNN_VERSION={version.rpartition('.')[2]}", *[f"-DNCNN_{name}=OFF" for name in off],
                        *[f"-DWITH_LAYER_{name}=OFF" for name in layers], *launcher, *options],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # ccache knows the files by their contents: the folder has another name each time.
        environment = {**os.environ, "CCACHE_BASEDIR": work, "CCACHE_NOHASHDIR": "1"}
        subprocess.run(["ninja", "-C", build], check=True, stdout=subprocess.DEVNULL, env=environment)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(next(build.glob("src/libncnn.so")).resolve(), folder / "libncnn.so")
        subprocess.run(["strip", "--strip-unneeded", folder / "libncnn.so"], check=True)
        shutil.copyfile(tree / "LICENSE.txt", folder / "LICENSE.txt")
        (folder / "processor").write_text(needs + "\n")


BUILDERS = {"ncnn": build_ncnn}


def unpack(requirement, folder):
    """The members of the pinned wheel that the table names, into `folder`; the wheel itself is not kept."""
    for name, digest in pins("source"):
        if name == requirement:
            return BUILDERS[name.partition("==")[0]](requirement, digest, folder)
    pinned = {name: (digest, patterns) for name, digest, *patterns in pins("wheel")}
    if requirement not in pinned:
        sys.exit(f"fetch: tools/dev/pins.txt has no sum for {requirement}")
    digest, patterns = pinned[requirement]
    archive = wheel(requirement)
    got = sha256(archive)
    if got != digest:
        archive.unlink()
        sys.exit(f"fetch: {archive.name} has sha256 {got}, the table says {digest}")
    with zipfile.ZipFile(archive) as opened:
        names = [n for n in opened.namelist() if any(fnmatch.fnmatchcase(n, p) for p in patterns)]
        for pattern in patterns:
            if not any(fnmatch.fnmatchcase(n, pattern) for n in names):
                sys.exit(f"fetch: {archive.name} has no {pattern}")
        opened.extractall(folder, names)
    for package, library, name, *users in pins("rename"):
        if package == requirement:
            rename_library(folder / library, name, [folder / user for user in users])
    shutil.rmtree(archive.parent)


def dynamic_names(image):
    """Offset and size of .dynstr, the names that a 64-bit little-endian ELF file asks for and is asked for by."""
    sections, = struct.unpack_from("<Q", image, 0x28)
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", image, sections + i * size) for i in range(count)]
    for name, _, _, _, offset, length in headers:
        at = headers[names][4] + name
        if image[at : at + 8] == b".dynstr\0":
            return offset, length
    sys.exit("fetch: a library has no names of its own")


def rename_library(library, name, users):
    """Gives a library another file name and SONAME of the same length, in itself and in the libraries that need it."""
    old, new = (b"\0" + n.encode() + b"\0" for n in (library.name, name))
    if len(old) != len(new):
        sys.exit(f"fetch: {name} is not as long as {library.name}")
    for path in [library, *users]:
        image = bytearray(path.read_bytes())
        offset, length = dynamic_names(image)
        if image.count(old, offset, offset + length) != 1:
            sys.exit(f"fetch: {path.name} does not name {library.name} once")
        at = image.index(old, offset)
        image[at : at + len(new)] = new
        path.write_bytes(image)
    library.rename(library.with_name(name))


def fetch_engines(names):
    table = {name: requirements for name, *requirements in pins("engine")}
    if names == ["all"]:
        names = list(table)
    for name in names:
        if name == "native":  # the library's own engine, nothing to install
            continue
        if name not in table:
            sys.exit(f"fetch: no engine '{name}' in tools/dev/pins.txt; there are: {', '.join(table)}")
        folder, stamp = ENGINES / name, ENGINES / name / ".installed"
        wanted = " ".join(table[name])
        if stamp.exists() and stamp.read_text() == wanted:
            continue
        print(f"installing engine {name}: {wanted}", file=sys.stderr)
        part = ENGINES / f".{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        for requirement in table[name]:
            unpack(requirement, part)
        (part / ".installed").write_text(wanted)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


def main():
    kind, *names = sys.argv[1:] or ["help"]
    if kind == "files":
        fetch_files(names)
    elif kind == "engines":
        fetch_engines(names)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
