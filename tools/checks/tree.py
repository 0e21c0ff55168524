"""What the checks look at: the files of the project, and a build folder."""
import pathlib
import re
import subprocess

# The house: a folder is a layer and includes only layers above it (and itself). One line per storey; folders on one line may
# not include one another. `engine/native` itself holds what its parts agree on (kernels, candidates), so it stands above them.
HOUSE = [
    ["core"],
    ["ops"],
    ["graph"],
    ["engine"],
    ["engine/native"],
    ["engine/native/fast"],
    ["engine/native/jit"],  # generated kernels, with the contracts of the fast ones
    ["engine/native/reference"],
    ["engine/native/plan"],
    ["engine/native/steps"],
    ["engine/native/exec"],
    ["engine/native/lite"],  # the edge profile's: what stands there for generated code and blocked steps
    ["engine/native/native_engine"],  # two files, not a folder: the engine made of all parts
    ["tensor"],
    ["autograd"],
    ["format"],
    ["engine/plugin"],  # gives engines whole models in the formats that they want
    ["engine/worker"],  # engines behind the plug-in interface in processes of their own
    ["engine/placement"],  # graphs over several engines; is given the engines
    ["engine/registry"],  # knows every engine, and the formats that some of them want
    ["nn"],
    ["optim"],
    ["data"],
    ["train"],
    ["models"],
    ["compress"],
    ["runtime"],
    ["task"],
    ["pipeline"],
    ["serve"],
    ["dist"],
]
# Folders of src/engine that belong to the layer `engine` itself; every other one is an adapter and sees the ABI only.
ENGINE_PARTS = {"native", "registry", "plugin", "placement", "worker", "auto"}
TEXT = {".h", ".hpp", ".cpp", ".c", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".in", ".map", ".js", ".html", ".css", ".toml", ""}


class Skip(Exception):
    """The check cannot be made here."""


class Tree:
    """The files of a checkout: what git tracks or would track; outside a repository every file."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.paths = sorted(self._list())

    def _list(self):
        if (self.root / ".git").exists():
            done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=self.root, capture_output=True, text=True)
            names = done.stdout.splitlines()
        else:
            names = [str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()]
        return [name for name in names if (self.root / name).is_file() and not name.startswith("shared/")]

    def text(self, name):
        return (self.root / name).read_text(errors="replace")

    def under(self, *folders, suffixes=(".h", ".cpp", ".c")):
        return [p for p in self.paths if p.startswith(folders) and p.endswith(suffixes)]

    def is_text(self, name):
        return pathlib.PurePath(name).suffix in TEXT

    def exceptions(self, check):
        """The paths that tools/checks/exceptions.txt excuses from a check, each with its reason."""
        result, file = {}, self.root / "tools/checks/exceptions.txt"
        for line in file.read_text().splitlines() if file.exists() else []:
            words = line.split(None, 2)
            if len(words) == 3 and words[0] == check:
                result[words[1]] = words[2]
        return result


def layer_of(path):
    """(storey, name) of a folder or file below src/, None when it is in no layer."""
    best = None
    for storey, names in enumerate(HOUSE):
        for name in names:
            if (path == name or path.startswith((name + "/", name + "."))) and (best is None or len(name) > len(best[1])):
                best = (storey, name)
    return best


def adapter_of(path):
    """The name of the engine adapter that a file below src/ belongs to, or None."""
    match = re.match(r"engine/([a-z0-9_]+)/", path)
    return match.group(1) if match and match.group(1) not in ENGINE_PARTS else None
