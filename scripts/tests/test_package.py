# SPDX-License-Identifier: GPL-2.0-only
"""The shape of this harness: small files, small functions, no circles, commands that are thin."""
import ast
import unittest

from tce.paths import SCRIPTS

LINES_OF_FILE = 600
LINES_OF_FUNCTION = 60
LINES_OF_COMMAND = 4       # behind what it says of itself


def modules():
    """{name: its syntax} of the package."""
    return {".".join(path.relative_to(SCRIPTS).with_suffix("").parts): ast.parse(path.read_text())
            for path in sorted(SCRIPTS.glob("tce/**/*.py"))}


def imports(tree, known):
    """The modules of the package that one imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module


def circle(needs):
    """Modules that import each other, or none."""
    left = {name: set(others) & set(needs) for name, others in needs.items()}
    while free := {name for name, others in left.items() if not others}:
        left = {name: others - free for name, others in left.items() if name not in free}
    return sorted(left)


class Package(unittest.TestCase):
    def python(self):
        commands = [path for path in SCRIPTS.iterdir() if path.is_file() and path.read_text().startswith("#!/usr/bin/python3")]
        self.assertGreater(len(commands), 10)
        return commands, sorted(SCRIPTS.glob("t*/**/*.py"))

    def test_sizes(self):
        commands, files = self.python()
        self.assertGreater(len(files), 50)
        for path in [*commands, *files]:
            text = path.read_text()
            self.assertLessEqual(text.count("\n"), LINES_OF_FILE, path)
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    self.assertLessEqual(node.end_lineno - node.lineno + 1, LINES_OF_FUNCTION, f"{path}: {node.name}()")

    def test_commands_are_thin(self):
        for path in self.python()[0]:
            text = path.read_text()
            doc = ast.parse(text).body[0]
            behind = [line for line in text.splitlines()[doc.end_lineno:] if line]
            self.assertLessEqual(len(behind), LINES_OF_COMMAND, path)
            self.assertIn("xit codes", ast.literal_eval(doc.value), path)

    def test_no_circle(self):
        self.assertEqual(circle({"a": ["b"], "b": ["c"], "c": []}), [])
        self.assertEqual(circle({"a": ["b"], "b": ["c"], "c": ["b"]}), ["a", "b", "c"])
        known = modules()
        self.assertEqual(circle({name: set(imports(tree, known)) for name, tree in known.items()}), [])
