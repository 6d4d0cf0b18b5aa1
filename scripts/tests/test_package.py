# SPDX-License-Identifier: GPL-2.0-only
"""The shape of this harness: no circles, and commands that say what they do."""
import ast
import unittest

from tce.paths import SCRIPTS


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
    def test_commands_say_what_they_do(self):
        commands = [path for path in SCRIPTS.iterdir() if path.is_file() and path.read_text().startswith("#!/usr/bin/python3")]
        self.assertGreater(len(commands), 10)
        for path in commands:
            self.assertIn("xit codes", ast.get_docstring(ast.parse(path.read_text())), path)

    def test_no_circle(self):
        self.assertEqual(circle({"a": ["b"], "b": ["c"], "c": []}), [])
        self.assertEqual(circle({"a": ["b"], "b": ["c"], "c": ["b"]}), ["a", "b", "c"])
        known = modules()
        self.assertEqual(circle({name: set(imports(tree, known)) for name, tree in known.items()}), [])
