"""Checks of what was built. Each is a function that takes a Tree and a build folder and yields one sentence per fault.

Skip(reason): the thing to check does not exist; counted as skipped, never as passed."""
import concurrent.futures
import os
import re
import subprocess
import tempfile

import pages

from tree import Skip


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)


def library(build):
    path = build / "lib/libchorus.so"
    if not path.exists():
        raise Skip(f"{path.name} is not built")
    return str(path)


def public_headers(tree, build):
    """Every public header compiles alone: C++20; the standards' own in C++17; the engine ABI in C11."""
    if not (build / "build.ninja").exists():
        raise Skip("there is no Ninja build folder")
    done = run("ninja", "-C", str(build), "-k", "0", "chorus_headers")
    if done.returncode != 0:
        faults = re.findall(r"^(?:.*/)?(include/chorus/\S+|gen/include/\S+|chorus/\S+?):(\d+):\d+: (?:fatal )?error: (.*)$", done.stdout, re.M)
        yield from sorted({f"{file}:{line}: {text}" for file, line, text in faults} or {done.stdout.strip()[-300:]})


MAY_SHOW = re.compile(r"^(_Z(T[ISVT]|GV|Th\w*_|Tv\w*_)?N[KVRO]*6chorus|chorus_\w+$)")  # mangled names
INTERNAL = re.compile(r"6chorus(12_GLOBAL__N_1|6detail|8internal)")


def hidden_symbols(tree, build):
    """libchorus.so shows only functions and types of namespace chorus and C functions chorus_*."""
    path = library(build)
    names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", path).stdout.splitlines()]
    if not names:
        yield "libchorus.so shows no symbol at all"
    wrong = [name for name in names if not MAY_SHOW.match(name) or INTERNAL.search(name)]
    for line in run("c++filt", *wrong).stdout.splitlines() if wrong else []:
        yield f"libchorus.so shows {line}"


MAY_NEED = {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def needs_nothing(tree, build):
    """libchorus.so links nothing but the C and C++ runtime."""
    done = run("readelf", "-d", library(build))
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", done.stdout):
        if name not in MAY_NEED:
            yield f"libchorus.so needs {name}"


def static_initialisers(tree, build):
    """Nothing of ours runs when libchorus.so is loaded: .init_array holds the compiler's own entry only."""
    path = library(build)
    done = run("readelf", "-SW", path)
    match = re.search(r"\.init_array\s+INIT_ARRAY\s+\S+ \S+ (\S+)", done.stdout)
    entries = int(match.group(1), 16) // 8 if match else 0
    if entries > 1:
        files = re.findall(r"_GLOBAL__sub_I_(\S+)", run("nm", path).stdout)
        yield f"{entries - 1} static initialisers run when libchorus.so is loaded: {', '.join(sorted(set(files))) or 'no names (stripped)'}"


def no_paths_inside(tree, build):
    """libchorus.so holds no path of the machine that built it."""
    text = open(library(build), "rb").read()
    for folder in {str(tree.root.resolve()), str(build.resolve()), os.path.expanduser("~")} - {"/", "/root"}:
        at = text.find(folder.encode() + b"/")
        if at >= 0:
            yield f"libchorus.so holds the path {text[at:text.find(bytes(1), at)].decode(errors='replace')}"


def generated_fresh(tree, build):
    """gen/ is what the build tool writes now."""
    tool = build / "bin/chorus-gen"
    if not tool.exists():
        raise Skip("the generator bin/chorus-gen is not built")
    with tempfile.TemporaryDirectory() as folder:
        done = run(str(tool), folder, cwd=tree.root)
        if done.returncode != 0:
            yield f"{tool.name} ended with status {done.returncode}: {done.stderr.strip()[-200:]}"
            return
        for parent, _, names in os.walk(folder):
            for name in names:
                relative = os.path.relpath(os.path.join(parent, name), folder)
                checked_in = tree.root / "gen" / relative
                if not checked_in.exists():
                    yield f"gen/{relative} is missing: run {tool.name} gen"
                elif checked_in.read_bytes() != open(os.path.join(parent, name), "rb").read():
                    yield f"gen/{relative} is stale: run {tool.name} gen"


def install(tree, build):
    """The installed library is found by CMake from outside the tree, and a program linked against it runs."""
    script = tree.root / "tests/install/run.sh"
    if not script.exists():
        raise Skip("there is no tests/install/run.sh")
    library(build)
    done = run("bash", str(script), str(build), timeout=900)
    if done.returncode != 0:
        yield f"tests/install/run.sh ended with status {done.returncode}: {(done.stdout + done.stderr).strip()[-400:]}"


def faults_of(tree, build, chosen):
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for faults in pool.map(lambda page: list(pages.page_faults(tree, build, page)), chosen):
            yield from faults


def docs_examples(tree, build):
    """Examples of the documentation do what the pages say: programs compile and print it, commands too (tools/checks/pages.py)."""
    chosen = [page for page in pages.pages(tree) if not page.needs]
    if any(block.language == "console" for page in chosen for block in page.blocks) and not (build / "bin/chorus").exists():
        raise Skip("the command bin/chorus is not built")
    yield from faults_of(tree, build, chosen)


def docs_examples_with_files(tree, build):
    """The same of pages that need downloaded files, such as the models of text reading."""
    chosen = [page for page in pages.pages(tree) if page.needs]
    missing = sorted({path for page in chosen for path in page.needs if not (tree.root / path).exists()})
    if missing:
        raise Skip(f"{missing[0]} is not here; ./dev demo fetches or builds it")
    yield from faults_of(tree, build, chosen)


def docs_commands(tree, build):
    """Every command line `chorus …` in a block of the documentation names sub-commands and options that there are."""
    if not (build / "bin/chorus").exists():
        raise Skip("the command bin/chorus is not built")
    known = pages.known_words(build)
    for page in pages.pages(tree):
        for block in page.blocks:
            for number, line in enumerate(block.text.splitlines(), block.line + 1):
                if re.match(r"(\$ )?chorus [a-z-]", line):
                    for word in pages.unknown_words(known, line.removeprefix("$ ")):
                        yield f"{page.name}:{number}: `chorus` has no {word} here: {line.strip()}"


CHECKS = [public_headers, hidden_symbols, needs_nothing, static_initialisers, no_paths_inside, generated_fresh, install, docs_examples,
          docs_examples_with_files, docs_commands]
