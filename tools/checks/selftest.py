"""Proves that every check can fail: each is run on a small tree that breaks its rule, and on one that keeps it."""
import pathlib
import subprocess
import tempfile

import build_checks
import source_checks
import tree as trees

# check: (files that keep the rule, files that break it, a word of the sentence that must come)
SOURCES = {
    "include_edges": [
        ({"src/graph/a.h": "#include <core/b.h>\n", "src/core/b.h": ""},
         {"src/core/b.h": "#include <graph/a.h>\n", "src/graph/a.h": ""}, "stands below"),
        ({"src/engine/example/a.cpp": "#include <chorus/engine_abi.h>\n", "include/chorus/engine_abi.h": ""},
         {"src/engine/example/a.cpp": "#include <core/b.h>\n", "src/core/b.h": ""}, "sees only"),
        ({"include/chorus/a.h": "#include <chorus/b.h>\n", "include/chorus/b.h": ""},
         {"include/chorus/a.h": "#include <core/b.h>\n", "src/core/b.h": ""}, "public header"),
        ({"src/core/a.h": '#include "b.h"\n', "src/core/b.h": ""},
         {"src/nowhere/a.h": "#include <core/b.h>\n", "src/core/b.h": ""}, "no layer"),
        ({"src/core/a.h": "// only <graph/b.h> in words\n", "src/graph/b.h": ""},
         {"src/core/a.h": '#include "../graph/b.h"\n', "src/graph/b.h": ""}, "stands below"),
    ],
    "file_length": [({"src/core/a.cpp": "\n" * 800}, {"src/core/a.cpp": "\n" * 801}, "801 lines")],
    "function_length": [
        ({"src/core/a.cpp": "const int table[] = {\n" + "1,\n" * 99 + "};\nint f(int a) {\n" + "// }\n" * 58 + "}\nint g() {\n}\n"},
         {"src/core/a.cpp": "namespace a {\nint f(int a) {\n" + "if (a) {\n}\n" * 30 + "}\n}\n"}, "a.cpp:2: f has 62 lines"),
        ({"src/core/a.h": "class A {\n" + "int a;\n" * 80 + "};\n"},
         {"src/core/a.h": "class A {\nA() : a_{1}, b_(2) {\n" + "\n" * 60 + "}\n};\n"}, "a.h:2: A has 62 lines"),
        ({"tools/a.py": "def f():\n" + "    pass\n" * 59}, {"tools/a.py": "def f():\n" + "    pass\n" * 60}, "f has 61 lines"),
    ],
    "tests_mirror": [
        ({"src/core/a.cpp": "", "tests/core/a_test.cpp": ""}, {"src/core/a.cpp": ""}, "has no test"),
        ({"src/engine/native/fast/gemm_avx2.cpp": "", "tests/engine/native/fast/gemm_test.cpp": ""},
         {"src/core/a.cpp": "", "tests/core/a_test.cpp": "", "tests/core/b_test.cpp": ""}, "mirrors nothing"),
        ({"src/engine/native/reference/reduce.cpp": "", "src/ops/reduce.cpp": "", "tests/ops/reduce_test.cpp": ""},
         {"src/graph/reduce.cpp": "", "src/ops/reduce.cpp": "", "tests/ops/reduce_test.cpp": ""}, "src/graph/reduce.cpp has no test"),
    ],
    "readme_per_folder": [
        ({"src/core/a.cpp": "", "src/core/README.md": "core\n"}, {"src/core/a.cpp": ""}, "no README.md"),
        ({"src/core/x/a.cpp": "", "src/core/README.md": "x/ holds a\n"}, {"src/core/x/a.cpp": "", "src/core/README.md": "core\n"}, "src/core/x has"),
        ({}, {"src/core/a.cpp": "", "src/core/README.md": "line\n" * 11}, "more than ten"),
    ],
    "formatted": [({"src/core/a.h": "int a;\n"}, {"src/core/a.h": "int   a;\n"}, "src/core/a.h: ./dev format")],
    "no_machine_paths": [
        ({"docs/a.md": "see ./build/bin or https://host/home/x\n"}, {"docs/a.md": "cd /" + "home/me/project\n"}, "own folder"),
    ],
    "nothing_unfinished": [({"src/core/a.cpp": "// done\n"}, {"src/core/a.cpp": "// TO" + "DO: later\n"}, "finish it")],
    "few_macros": [
        ({"src/core/a.h": "#define CHORUS_API\n"}, {"src/core/a.h": "#define LOOP(n) for (int i = 0; i < n; ++i)\n"}, "LOOP"),
    ],
    "exports_are_public": [
        ({"include/chorus/a.h": "CHORUS_API void f();\n"}, {"src/core/a.h": "class CHORUS_API A {};\n"}, "exports 1 internal name"),
    ],
    "docs_links": [
        ({"docs/a.md": "[b](b.md#part) `[c](d.md)`\n", "docs/b.md": ""}, {"docs/a.md": "[b](b.md)\n"}, "leads nowhere"),
    ],
}


def write(folder, files):
    for name, text in files.items():
        path = pathlib.Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def sentences(check, files):
    with tempfile.TemporaryDirectory() as folder:
        write(folder, files)
        return list(check(trees.Tree(folder)))


def source_faults():
    for check in source_checks.CHECKS:
        if check.__name__ not in SOURCES:
            yield f"{check.__name__} has no self-test"
        for good, bad, word in SOURCES.get(check.__name__, []):
            said = sentences(check, good)
            if said:
                yield f"{check.__name__} refuses a good tree: {said[0]}"
            said = sentences(check, bad)
            if not any(word in sentence for sentence in said):
                yield f"{check.__name__} does not say '{word}' of a bad tree {list(bad)}"


API = '__attribute__((visibility("default")))'
GOOD_LIBRARY = f"namespace chorus {{ {API} int f() {{ return 1; }} }} extern \"C\" {API} int chorus_f() {{ return 1; }}\n"
# check: (source of libchorus.so that breaks the rule, extra flags, a word of the sentence)
LIBRARIES = {
    "hidden_symbols": [(GOOD_LIBRARY + f"namespace other {{ {API} int g() {{ return 1; }} }}\n", [], "other::g"),
                       ("static int h() { return 1; } int (*chorus_hidden)() = h;\n", ["-fvisibility=hidden"], "no symbol")],
    "needs_nothing": [(GOOD_LIBRARY, ["-Wl,--no-as-needed", "-lz"], "libz")],
    "static_initialisers": [(GOOD_LIBRARY + "int seven(); int value = seven(); int seven() { return 7; }\n"
                             "struct S { S(); }; S::S() { value = 1; } S object;\n", ["-O0"], "initialiser")],
    "no_paths_inside": [(GOOD_LIBRARY + f'extern "C" {API} const char* chorus_g() {{ return __FILE__; }}\n', [], "holds the path")],
}
FAILING_NINJA = "rule cc\n  command = echo 'include/chorus/a.h:3:1: error: unknown type'; exit 1\nbuild chorus_headers: cc\n"
PASSING_NINJA = "rule cc\n  command = true\nbuild chorus_headers: cc\n"
GENERATOR = "#!/bin/sh\necho new > \"$1/a.txt\"\n"
COMMAND = """#!/bin/bash
case $1 in
  say) printf 'one 1.0005\\ntwo\\nthree\\nend\\n' ;;
  fail) echo 'chorus: no' >&2; exit 3 ;;
  completion) printf '    "") words="task --help" ;;\\n    "task") words="ocr" ;;\\n    "task ocr") words="--help --models" ;;\\n' ;;
esac
"""
PRINTS = '```cpp\n#include <cstdio>\nint main() { std::puts("number 1.5001, 7 ms"); }\n```\n'


def page(text):
    return {"README.md": text, "build/bin/chorus": COMMAND, "build/lib/libchorus.so": "INPUT(-lc)\n"}


# check: (files that keep the rule, files that break it, a word of the sentence); build/ is the build folder
BUILDS = {
    "public_headers": [({"build/build.ninja": PASSING_NINJA}, {"build/build.ninja": FAILING_NINJA}, "unknown type")],
    "generated_fresh": [({"build/bin/chorus-gen": GENERATOR, "gen/a.txt": "new\n"},
                         {"build/bin/chorus-gen": GENERATOR, "gen/a.txt": "old\n"}, "stale"),
                        ({}, {"build/bin/chorus-gen": GENERATOR}, "missing")],
    "install": [({"build/lib/libchorus.so": "", "tests/install/run.sh": "exit 0\n"},
                 {"build/lib/libchorus.so": "", "tests/install/run.sh": "echo no package; exit 3\n"}, "no package")],
    "docs_examples": [({"README.md": "```cpp\nint main() { return 0; }\n```\n"},
                       {"README.md": "```cpp\nint main() { return missing; }\n```\n"}, "does not compile"),
                      (page(PRINTS + "```text\nnumber 1.5, 2.5 ms\n```\n"), page(PRINTS + "```text\nnumber 1.6, 2.5 ms\n```\n"), 'has "number 1.6'),
                      (page("```console\n$ chorus say 1\none 1.0004\n…\nend\n$ false\n$ echo $?\n1\n```\n"),
                       page("```console\n$ chorus say 1\none 1.0004\nend\n```\n"), "`chorus say 1`: the page has"),
                      (page("```console\n$ chorus fail\nchorus: no\n```\n"), page("```console\n$ false\n```\n"), "ended with status 1"),
                      (page("<!-- same as: a.txt -->\n```text\nab\n```\n") | {"a.txt": "ab\n"},
                       page("<!-- same as: a.txt -->\n```text\nab\n```\n") | {"a.txt": "abc\n"}, "not the same as a.txt"),
                      (page("<!-- file: b -->\n```json\n[]\n```\n```console\n$ cat b\n[]\n```\n"),
                       page("```json\n[]\n```\n```console\n$ cat b\n[]\n```\n"), "`cat b`")],
    "docs_examples_with_files": [(page("<!-- needs: d/a.txt -->\n```console\n$ cat a.txt\nab\n```\n") | {"d/a.txt": "ab\n"},
                                  page("<!-- needs: d/a.txt -->\n```console\n$ cat a.txt\nab\n```\n") | {"d/a.txt": "abc\n"}, "`cat a.txt`")],
    "docs_commands": [(page("```sh\nchorus task ocr x --models=y # --no\n```\n"), page("```sh\nchorus task ocr x --model=y\n```\n"), "has no --model here"),
                      (page("```sh\nchorus task\n```\n"), page("```sh\nchorus rnu x\n```\n"), "has no rnu here")],
}


def built_sentences(check, files, source=None, flags=()):
    """What `check` says of a build folder with the files, and with a libchorus.so made of the source."""
    with tempfile.TemporaryDirectory() as folder:
        build = pathlib.Path(folder) / "build"
        (build / "lib").mkdir(parents=True)
        write(folder, files)
        for program in (build / "bin").glob("*"):
            program.chmod(0o755)
        if source:
            (build / "a.cpp").write_text(source)
            subprocess.run(["g++", "-shared", "-fPIC", "-o", build / "lib/libchorus.so", build / "a.cpp", *flags], check=True)
        try:
            return list(check(trees.Tree(folder), build))
        except build_checks.Skip:
            return []


def build_faults():
    for check in build_checks.CHECKS:
        name = check.__name__
        if name not in LIBRARIES and name not in BUILDS:
            yield f"{name} has no self-test"
        for good, bad, word in BUILDS.get(name, []):
            said = built_sentences(check, good)
            if said:
                yield f"{name} refuses a good build: {said[0]}"
            if not any(word in sentence for sentence in built_sentences(check, bad)):
                yield f"{name} does not say '{word}' of a bad build {list(bad)}"
        for source, flags, word in LIBRARIES.get(name, []):
            said = built_sentences(check, {}, GOOD_LIBRARY)
            if said:
                yield f"{name} refuses a good library: {said[0]}"
            if not any(word in sentence for sentence in built_sentences(check, {}, source, flags)):
                yield f"{name} does not say '{word}' of a bad library"


def checks_can_fail(tree):
    """Every check fails on a tree that breaks its rule and passes one that keeps it."""
    yield from source_faults()
    yield from build_faults()
