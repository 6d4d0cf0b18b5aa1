# SPDX-License-Identifier: GPL-2.0-only
"""Tests of all that judges a run: each must fail what is not a pass."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType

sys.dont_write_bytecode = True


class Scratch(unittest.TestCase):
    """Tests with a directory of their own, self.top."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.top = Path(tmp.name)

    def file(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def program(self, name, text):
        """One in sh, which stands for something else."""
        path = self.file(name, f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path


def run(*command, **env):
    """(exit code, what a command has printed, what it has said of errors)"""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, **env})
    return done.returncode, done.stdout, done.stderr


def printed(*command, **env):
    """What a command has printed, which has to be good"""
    code, said, errors = run(*command, **env)
    assert not code, errors
    return said


def load(path: Path) -> ModuleType:
    """A command, as a module."""
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    spec = importlib.util.spec_from_loader(path.name, loader)
    assert spec
    module = sys.modules[path.name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
