"""The check of the lengths of functions, and the small reader of C++ text that it needs."""
import ast
import re

LINES = 60
# Comments and literals, in which braces mean nothing.
SILENT = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.S)
NO_FUNCTION = re.compile(r"\b(?:namespace|class|struct|union|enum|extern)\b[^()]*$|=\s*$|^\s*(?:if|for|while|switch|catch|do|else|try)\b")
NAME = re.compile(r"([~\w:]+|operator\S+)\s*\(")


def cpp_functions(text):
    """(name, first line, lines) of the outermost functions of C++ text in this project's layout."""
    text = SILENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: re.sub(r"[^\n]", " ", match.group(0)), text, flags=re.M)
    head, depth, inside, parens, value = 0, 0, None, 0, None
    for match in re.finditer(r"[{}();]", text):
        mark, at = match.group(0), match.start()
        if mark in "()":
            parens += 1 if mark == "(" else -1
        elif mark == "{":
            depth += 1
            before = text[head:at].strip()
            if inside is None and parens == 0 and initialises(before):
                value = depth
            elif inside is None and "(" in before and parens == 0 and not NO_FUNCTION.search(before):
                first = head + len(text[head:at]) - len(text[head:at].lstrip())
                inside = (depth, (NAME.search(before) or ["", "?"])[1], text.count("\n", 0, first) + 1)
        elif mark == "}":
            if inside is not None and inside[0] == depth:
                yield inside[1], inside[2], text.count("\n", 0, at) + 2 - inside[2]
                inside = None
            depth -= 1
        if mark in "{};" and inside is None and parens == 0 and value is None:
            head = at + 1
        if mark == "}" and value == depth + 1:
            value = None


def initialises(before):
    """Whether the brace after this text begins the value of a member in a constructor's list: `A() : a_` and `{1}`."""
    colon = re.search(r"\)\s*(?:noexcept\s*)?:(?!:)", before)
    return bool(colon) and re.search(r"[\w>]$", before) is not None


def python_functions(text):
    """(name, first line, lines) of every function of a Python file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def function_length(tree):
    """No hand-written function has more than 60 lines."""
    excused = tree.exceptions("function_length")
    for name in tree.under("src/", "include/", "apps/", "tests/", "tools/", "bench/", "examples/", suffixes=(".h", ".cpp", ".c", ".py")):
        if name in excused:
            continue
        functions = python_functions if name.endswith(".py") else cpp_functions
        for function, line, lines in functions(tree.text(name)):
            if lines > LINES:
                yield f"{name}:{line}: {function} has {lines} lines, {lines - LINES} too many: split it"
