# SPDX-License-Identifier: GPL-2.0-only
"""Tests of all that judges a run: each must fail what is not a pass."""
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

sys.dont_write_bytecode = True


def load(path: Path) -> ModuleType:
    """A command, as a module."""
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    spec = importlib.util.spec_from_loader(path.name, loader)
    assert spec
    module = sys.modules[path.name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
