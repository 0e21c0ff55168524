"""Checks of the source text. Each is a function that takes a Tree and yields one sentence per fault."""
import pathlib
import posixpath
import re
import shutil
import subprocess

from function_length import function_length
from tree import Skip, adapter_of, layer_of

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
PUBLIC_FOR_ADAPTERS = {"chorus/engine_abi.h", "chorus/engine_formats.h"}
SHARED_BY_ADAPTERS = "engine/adapter/"  # itself an adapter by its folder: it sees the ABI only


def include_edges(tree):
    """A folder includes only layers above it; tests see all; adapters see the ABI header only."""
    for name in tree.under("src/", "apps/", "include/"):
        text = tree.text(name)
        for match in INCLUDE.finditer(text):
            target = match.group(2)
            line = text.count("\n", 0, match.start(2)) + 1
            sentence = edge_fault(tree, name, match.group(1), target)
            if sentence:
                yield f"{name}:{line}: {sentence}"


def edge_fault(tree, name, quote, target):
    """Why file `name` may not include `target`, or None."""
    folder, _, path = name.partition("/")
    if quote == '"':
        path_in_folder = pathlib.PurePath(posixpath.normpath(pathlib.PurePath(name).parent / target))
        if not (tree.root / path_in_folder).exists() and (tree.root / "src" / target).exists():
            return f'write <{target}>: quotes are for files beside this one'
        target = str(path_in_folder).removeprefix("src/") if name.startswith("src/") else target
    internal = (tree.root / "src" / target).exists() or (layer_of(target) and "/" in target and target.split("/")[0] != "chorus")
    if folder == "include":
        return f"a public header cannot include the internal <{target}>" if internal else None
    if folder == "apps":
        return None
    adapter = adapter_of(path)
    if adapter:
        if target.startswith((f"engine/{adapter}/", SHARED_BY_ADAPTERS)):
            return None
        if internal or (target.startswith("chorus/") and target not in PUBLIC_FOR_ADAPTERS):
            return f"adapter {adapter} includes <{target}>; an adapter sees only {', '.join(sorted(PUBLIC_FOR_ADAPTERS))}"
        return None
    if not internal:
        return None
    mine, other = layer_of(path), layer_of(target)
    if other is None:
        return f"<{target}> is in no layer of the house (tools/checks/tree.py)"
    if mine is None:
        return f"src/{path} is in no layer of the house (tools/checks/tree.py)"
    if mine[1] != other[1] and other[0] >= mine[0]:
        return f"layer {mine[1]} includes <{target}> of layer {other[1]}, which stands below it"
    return None


LINES = 800


def file_length(tree):
    """No hand-written source file has more than 800 lines."""
    excused = tree.exceptions("file_length")
    for name in tree.paths:
        if name.startswith("gen/") or not name.endswith((".h", ".cpp", ".c", ".py", ".sh", ".js", ".cmake")) and name != "dev":
            continue
        lines = tree.text(name).count("\n")
        if lines > LINES and name not in excused:
            yield f"{name} has {lines} lines, {lines - LINES} too many: split it"


def tests_mirror(tree):
    """src/a/b.cpp has tests/a/b_test.cpp, and no test file stands without what it tests.

    The test may be that of the whole folder (tests/a_test.cpp, tests/a/a_test.cpp), of a prefix of the name (gemm_test.cpp for
    gemm_avx2.cpp), or for kernels the case list of the operator family (tests/ops/b_test.cpp). What tests of another name
    cover is written in exceptions.txt: the reason begins with those tests (stale_exceptions looks whether they exist)."""
    tests = {p.removeprefix("tests/").removesuffix("_test.cpp") for p in tree.paths if p.startswith("tests/") and p.endswith("_test.cpp")}
    sources = [p for p in tree.paths if p.startswith("src/") and p.endswith(".cpp")]
    excused = tree.exceptions("tests_mirror")
    for name in sources:
        path = pathlib.PurePath(name.removeprefix("src/").removesuffix(".cpp"))
        if name not in excused and not any(str(place) in tests for place in test_places(path)):
            yield f"{name} has no test: tests/{path}_test.cpp does not exist"
    stems = {p.removeprefix("src/") for p in tree.paths if p.startswith(("src/", "include/chorus/", "apps/"))}
    known = {re.sub(r"\.\w+$", "", s.removeprefix("include/chorus/")) for s in stems}
    folders = {str(f) for s in known for f in pathlib.PurePath(s).parents}
    names = {pathlib.PurePath(s).name for s in known} | {pathlib.PurePath(f).name for f in folders}
    for test in sorted(tests):
        path = pathlib.PurePath(test)
        if f"tests/{test}_test.cpp" in excused or test.startswith(("fuzz/", "integration/", "install/")):
            continue
        beside = any(s.startswith(f"{path.parent}/{path.name}_") or s == test for s in known)
        if not beside and test not in folders and path.name not in names:
            yield f"tests/{test}_test.cpp mirrors nothing: there is no src/{test}.cpp, .h, nor a folder of that name"


def test_places(path):
    """Where the test of src/<path>.cpp may stand, below tests/, without _test.cpp."""
    parts = path.name.split("_")
    for count in range(len(parts), 0, -1):
        yield path.with_name("_".join(parts[:count]))
        if path.parts[:2] == ("engine", "native"):
            yield pathlib.PurePath("ops") / "_".join(parts[:count])
    for folder in path.parents:
        if folder.name:
            yield folder
            yield folder / folder.name


def readme_per_folder(tree):
    """Each folder with sources has a README.md of at most ten lines, or that of a folder above it names the folder."""
    folders = {str(pathlib.PurePath(p).parent) for p in tree.under("src/", "tools/", "apps/", "tests/", "bench/", "gen/", suffixes=(".cpp", ".h", ".py", ".sh"))}
    excused = tree.exceptions("readme_per_folder")
    for folder in sorted(folders):
        readme = f"{folder}/README.md"
        if folder in excused or folder.startswith("gen/") and folder != "gen":
            continue
        if folder.startswith("tests/"):
            continue  # the tests mirror src/, whose folders say what they are
        if readme not in tree.paths and spoken_for(tree, folder):
            continue
        if readme not in tree.paths:
            yield f"{folder} has no README.md (purpose, entry point, what it must not include)"
        elif len(tree.text(readme).strip().splitlines()) > 10:
            yield f"{readme} has more than ten lines"


def spoken_for(tree, folder):
    """Whether the README.md of a folder above names this folder, as in `avx2/`."""
    path = pathlib.PurePath(folder)
    for above in path.parents:
        readme = f"{above}/README.md"
        if readme in tree.paths:
            return re.search(rf"\b{re.escape(path.name)}/", tree.text(readme)) is not None
    return False


ABSOLUTE = re.compile(r"(?<![\w.$}>/:)*])/(home|root|work|Users|mnt|workspace)/[\w.-]+")


def no_machine_paths(tree):
    """No file names a folder of the machine that it was written on."""
    excused = tree.exceptions("no_machine_paths")
    for name in tree.paths:
        if not tree.is_text(name) or name in excused or name.startswith("tools/checks/"):
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            match = ABSOLUTE.search(line)
            if match:
                yield f"{name}:{number}: names the machine's own folder {match.group(0)}"


UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def nothing_unfinished(tree):
    """No word that promises to finish later."""
    for name in tree.under("src/", "include/", "apps/", "tests/", "tools/dev/", "cmake/", "bench/", suffixes=(".h", ".cpp", ".c", ".py", ".sh", ".cmake")):
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            match = UNFINISHED.search(line)
            if match:
                yield f"{name}:{number}: {match.group(0)}: finish it, or say in the documentation what is missing"


MACRO = re.compile(r"^\s*#\s*define\s+(\w+)", re.M)


def few_macros(tree):
    """Macros are for exporting, instruction sets and tests only: their names begin with CHORUS_."""
    for name in tree.under("src/", "include/", "apps/"):
        text = tree.text(name)
        for match in MACRO.finditer(text):
            if not match.group(1).startswith("CHORUS_") and match.group(1) not in {"_GNU_SOURCE"}:
                yield f"{name}:{text.count(chr(10), 0, match.start(1)) + 1}: macro {match.group(1)}: use a constant, a function or a template"


def exports_are_public(tree):
    """Only what a public header declares leaves the library: the export macro stands in include/ alone."""
    excused = tree.exceptions("exports_are_public")
    for name in tree.under("src/", "apps/"):
        if name in excused:
            continue
        lines = [n for n, line in enumerate(tree.text(name).splitlines(), 1) if re.search(r"\bCHORUS_API\b", line)]
        if lines:
            yield f"{name}:{lines[0]}: exports {len(lines)} internal name{'s' if len(lines) > 1 else ''}; drop CHORUS_API there"


LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def formatted(tree):
    """Sources are as `./dev format` leaves them."""
    if shutil.which("clang-format-16") is None:
        raise Skip("clang-format-16 is not installed; ./dev format installs it")
    names = [name for name in tree.paths if name.endswith((".h", ".cpp", ".c")) and not name.startswith("gen/")]
    done = subprocess.run(["clang-format-16", "--dry-run", *names], cwd=tree.root, capture_output=True, text=True)
    for name in sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning: code should be clang-formatted", done.stderr, re.M))):
        yield f"{name}: ./dev format"


def docs_links(tree):
    """Relative links of the documentation lead to files that exist."""
    for name in tree.paths:
        if not name.endswith(".md"):
            continue
        text = re.sub(r"```.*?```|`[^`\n]*`", lambda m: re.sub(r"[^\n]", " ", m.group(0)), tree.text(name), flags=re.S)
        for match in LINK.finditer(text):
            target = match.group(1).split("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            if not (tree.root / pathlib.PurePath(name).parent / target).exists():
                yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: the link {match.group(1)} leads nowhere"


CHECKS = [include_edges, file_length, function_length, tests_mirror, readme_per_folder, no_machine_paths, nothing_unfinished, few_macros,
          exports_are_public, formatted, docs_links]
