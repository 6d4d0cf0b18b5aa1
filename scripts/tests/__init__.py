# SPDX-License-Identifier: GPL-2.0-only
"""Tests of all that judges a run: each must fail what is not a pass."""
import sys
import unittest

from tce.paths import SCRIPTS


def main(_doc: str) -> int:
    """Run them; arguments are those of unittest's discovery: -v, -k PATTERN, ..."""
    argv = [sys.argv[0], "discover", "-s", str(SCRIPTS / "tests"), "-t", str(SCRIPTS), *sys.argv[1:]]
    result = unittest.main(module=None, argv=argv, exit=False).result
    return 0 if result.wasSuccessful() and result.testsRun else 1
