"""Pages whose examples run: every fenced block of a page, in order, in one empty folder.

```cpp      a program (it has a main) is compiled against the public headers; one whose first line is `// NAME.cpp` becomes ./NAME
```text     right behind a program: what it prints
```console  lines that begin with `$ ` are given to one shell, `chorus` being the built command; what stands below a line is what it prints
```json …   a block below the comment `<!-- file: NAME -->` is written to that file, one below `<!-- same as: PATH -->` is a file of the tree
`<!-- needs: PATH … -->` anywhere on a page: files of the checkout (downloaded ones) that lie in the page's folder by their last name

Numbers with a point may differ by a thousandth; times (`ms=1.2`, `1.2 ms`), errors in units of the last place (`ulp 1.5`) and instruction
sets in names of kernels by anything; `…` stands for any characters, alone on a line for any lines. Programs see no engine but native. A
command must succeed unless the page shows its error (`chorus: …`) or asks for its status next (`$ echo $?`).
"""
import dataclasses
import os
import re
import shutil
import subprocess
import tempfile

BLOCK = re.compile(r"(?:^<!-- (file|same as): (\S+) -->\n)?^```(\S*)\n(.*?)^```$", re.M | re.S)
NEEDS = re.compile(r"^<!-- needs: (.*) -->$", re.M)
NAMED = re.compile(r"\A// (\w+)\.cpp\b")
TIMEOUT = 60


@dataclasses.dataclass
class Block:
    line: int
    language: str
    text: str
    file: str = ""  # written to the page's folder
    same: str = ""  # a file of the tree that has this text

    @property
    def is_program(self):
        return self.language == "cpp" and "int main(" in self.text


class Page:
    def __init__(self, tree, name):
        self.name, self.blocks = name, []
        text = tree.text(name)
        self.needs = [path for words in NEEDS.findall(text) for path in words.split()]
        for match in BLOCK.finditer(text):
            kind, path, language, body = match.groups()
            line = text.count("\n", 0, match.start(3)) + 1
            self.blocks.append(Block(line, language, body, path if kind == "file" else "", path if kind == "same as" else ""))


def pages(tree):
    return [Page(tree, name) for name in tree.paths if name.endswith(".md")]


TIME = re.compile(r"\b((?:\w+_)?ms|min|p99|rss_mb)=[\d.]+|[\d.]+(?= ms\b)|(?<=\bulp )[\d.]+")
LEVEL = re.compile(r"\.(avx512|avx2|portable)\b")  # of a kernel: what the processor has
NUMBER = re.compile(r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?|[-+]?\d+(?:\.\d+)?[eE][-+]?\d+")


def same_line(expected, got):
    """Whether a printed line is the one on the page."""
    expected, got = (" ".join(TIME.sub(lambda m: (m.group(1) or "") + "=", LEVEL.sub("", line)).split()) for line in (expected, got))
    pattern = NUMBER.sub("\0", expected)
    pattern = re.escape(pattern).replace(re.escape("…"), ".*").replace(re.escape("\0"), f"({NUMBER.pattern})")
    match = re.fullmatch(pattern, got)
    return bool(match) and all(abs(float(a) - float(b)) <= 1e-3 * abs(float(a)) + 1e-6
                               for a, b in zip(NUMBER.findall(expected), match.groups()))


def same_lines(expected, got):
    """Whether printed lines are those on the page; empty lines do not count."""
    if not expected:
        return not got
    if expected[0].strip() == "…":
        return any(same_lines(expected[1:], got[i:]) for i in range(len(got) + 1))
    return bool(got) and same_line(expected[0], got[0]) and same_lines(expected[1:], got[1:])


def difference(expected, got):
    """One sentence, or nothing when they are the same."""
    expected, got = ([line for line in text.splitlines() if line.strip()] for text in (expected, got))
    if same_lines(expected, got):
        return ""
    for a, b in zip(expected, got):
        if a.strip() == "…":
            break
        if not same_line(a, b):
            return f'the page has "{a.strip()}", printed is "{b.strip()}"'
    return f"the page has {len(expected)} lines, printed are {len(got)}: " + " | ".join(got)[:600]


class Workshop:
    """Where programs are made and commands run: the tree, and a build folder (which may lack the library or the command)."""

    def __init__(self, tree, build, folder):
        self.tree, self.build = tree, build
        # Plug-ins are looked for beside the command and the library, and which of them were built must not change what a page shows.
        self.bin, self.lib = os.path.join(folder, ".chorus/bin"), os.path.join(folder, ".chorus/lib")
        for there, pattern, copies in ((build / "bin", "chorus", self.bin), (build / "lib", "libchorus.so*", self.lib)):
            os.makedirs(copies)
            for file in there.glob(pattern):
                shutil.copy(file, copies, follow_symlinks=False)

    def environment(self, folder):
        keep = {name: value for name, value in os.environ.items() if not name.startswith("CHORUS_")}
        return keep | {"PATH": f"{self.bin}:{keep['PATH']}", "HOME": folder, "XDG_CACHE_HOME": "", "COLUMNS": "120",
                       "LD_LIBRARY_PATH": self.lib, "CHORUS_ENGINE_PATH": os.path.join(folder, "no-engines")}

    def compile(self, source, program, link):
        """What the compiler says against it; "" when it compiles."""
        library = ["-o", program, source, f"-L{self.lib}", "-lchorus"] if link else ["-fsyntax-only", source]
        done = subprocess.run([shutil.which("g++") or "c++", "-std=c++20", "-Wall", "-Wextra", f"-I{self.tree.root / 'include'}",
                               f"-I{self.tree.root / 'gen/include'}", *library], capture_output=True, text=True)
        if done.returncode == 0:
            return ""
        return (re.findall(r"error: (.*)", done.stderr) or [done.stderr.strip()[-300:]])[0]

    def run(self, command, folder):
        done = subprocess.run(command, cwd=folder, env=self.environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT)
        return done.returncode, done.stdout.decode(errors="replace")


MARK = "\x1e"  # between the outputs of two commands, followed by a status


def console(text):
    """[(command, expected output)] of a console block."""
    steps = []
    for line in text.splitlines():
        if steps and steps[-1][0].endswith("\\"):
            steps[-1][0] += "\n" + line.removeprefix("> ")
        elif line.startswith("$ "):
            steps.append([line[2:], ""])
        elif steps:
            steps[-1][1] += line + "\n"
    return steps


def console_faults(workshop, block, folder):
    steps = console(block.text)
    if not steps:
        yield "the console block has no line that begins with `$ `"
        return
    script = "".join(f'{command}\nstatus=$?; printf "{MARK}%s{MARK}" $status; (exit $status)\n' for command, _ in steps)
    _, output = workshop.run(["bash", "-c", script], folder)
    parts = output.split(MARK)
    for i, (command, expected) in enumerate(steps):
        if 2 * i + 1 >= len(parts):
            yield f"`{command}` was not reached: {output[-300:]}"
            return
        printed, status = parts[2 * i], parts[2 * i + 1]
        asked = i + 1 < len(steps) and steps[i + 1][0] == "echo $?"
        what = difference(expected, printed)
        if what:
            yield f"`{command}`: {what}"
        elif status != "0" and not asked and not re.search(r"^chorus: |^error: ", expected, re.M):
            yield f"`{command}` ended with status {status}"


def program_faults(workshop, block, after, folder, number):
    name = NAMED.match(block.text)
    program = os.path.join(folder, name.group(1) if name else f"program{number}")
    with open(program + ".cpp", "w") as file:
        file.write(block.text)
    printed = after.text if after is not None and after.language == "text" else None
    link = (name is not None or printed is not None) and (workshop.build / "lib/libchorus.so").exists()
    error = workshop.compile(program + ".cpp", program, link)
    if error:
        yield f"the example does not compile: {error}"
    elif link and printed is not None:
        status, output = workshop.run([program], folder)
        what = difference(printed, output)
        if what or status != 0:
            yield f"the example ended with status {status}: {what}" if status else what


def block_faults(workshop, page, number, folder):
    block = page.blocks[number]
    after = page.blocks[number + 1] if number + 1 < len(page.blocks) else None
    if block.same and workshop.tree.text(block.same).rstrip() != block.text.rstrip():
        yield f"the block is not the same as {block.same}"
    if block.file:
        with open(os.path.join(folder, block.file), "w") as file:
            file.write(block.text)
    if block.is_program and not block.same:
        yield from program_faults(workshop, block, after, folder, number)
    if block.language == "console":
        yield from console_faults(workshop, block, folder)


def page_faults(tree, build, page):
    """What is wrong with a page's examples, each with file and line."""
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(tree, build, folder)
        for path in page.needs:
            os.symlink(tree.root / path, os.path.join(folder, os.path.basename(path)))
        for number, block in enumerate(page.blocks):
            try:
                yield from (f"{page.name}:{block.line}: {fault}" for fault in block_faults(workshop, page, number, folder))
            except subprocess.TimeoutExpired:
                yield f"{page.name}:{block.line}: was stopped after {TIMEOUT} s"


def known_words(build):
    """{sub-command: its options and sub-commands} as the completion script of the built command says."""
    done = subprocess.run([build / "bin/chorus", "completion", "bash"], capture_output=True, text=True)
    return {path: set(words.split()) for path, words in re.findall(r'^    "([^"]*)"\) words="([^"]*)" ;;$', done.stdout, re.M)}


def unknown_words(known, line):
    """Commands and long options of one command line `chorus …` that the command does not have."""
    path = ""
    for word in line.split()[1:]:
        if word.startswith("#") or word in {"|", ">", "&&", ";"}:
            return
        name = word.split("=")[0]
        if not word.startswith("-") and word in known.get(path, ()):
            path = f"{path} {word}".strip()
        elif name.startswith("--") and name not in known.get(path, ()) or not path and not name.startswith("-"):
            yield name
            return
