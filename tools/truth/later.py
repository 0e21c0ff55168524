"""The list later.txt: what the truth checks let pass, each line with its reason."""

import fnmatch
import pathlib

LIST = pathlib.Path(__file__).resolve().parent / "later.txt"


KINDS = ("operator", "case", "old", "onnxruntime", "openvino", "paddle", "mindspore", "ncnn", "tensorflow", "torch", "tvm", "property", "special", "versions")


class Later:
    """Names of one of the KINDS; remembers which lines were needed."""

    def __init__(self, kind, path=LIST):
        self.reasons, self.used = {}, set()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            words = line.split("#")[0].split(None, 2)
            if not words:
                continue
            if len(words) < 3 or words[0] not in KINDS:
                raise SystemExit(f"{path.name}:{number}: needs {', '.join(KINDS)}, a name and a reason")
            if words[0] == kind:
                self.reasons[words[1]] = words[2]

    def excuses(self, name):
        """Whether a line speaks of the name."""
        lines = [line for line in self.reasons if fnmatch.fnmatchcase(name, line)]
        self.used.update(lines)
        return bool(lines)

    def unneeded(self):
        return sorted(self.reasons.keys() - self.used)
