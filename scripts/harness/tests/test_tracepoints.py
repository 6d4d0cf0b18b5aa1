# SPDX-License-Identifier: GPL-2.0-only
"""Documentation/errnos.rst has each reason for which a call is refused, with its errno."""
import re
import unittest

from harness.paths import ROOT

ROOM = 24       # of the field "reason"


class Tracepoints(unittest.TestCase):
    def test_page(self):
        code = "".join(path.read_text() for path in ROOT.glob("*.[ch]")
                       if path.name != "tce_trace.h")
        page = (ROOT / "Documentation/errnos.rst").read_text()
        told = {reason: errnos for errnos, reason in re.findall(
            r"^   \* - ([A-Z, ]+)\n     - ``([A-Z0-9_]+)``$", page, re.M)}
        found = [(m[2], m[1]) for m in re.finditer(
            r'TCE_REFUSE\(\s*(?:-(E\w+)|[^()";]+),\s*"([A-Z0-9_]+)"', code)]
        self.assertTrue(told)
        self.assertEqual({name for name, _ in found}, set(told))
        for name, errno in found:
            self.assertLess(len(name), ROOM)
            if errno:
                self.assertIn(errno, told[name].split(", "), name)
