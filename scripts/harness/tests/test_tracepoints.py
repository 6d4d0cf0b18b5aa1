# SPDX-License-Identifier: GPL-2.0-only
"""Documentation/tracepoints.rst has each reason for which a call is refused, with its errno."""
import re
import unittest

from harness.paths import ROOT

ROOM = 24       # of the field "reason"


def faults(code, page):
    told = dict(re.findall(r"^   \* - ``([A-Z0-9_]+)``\n     - ([A-Z, ]+)$", page, re.M))
    found = re.findall(r"TCE_REFUSE_WHY\(\s*([A-Z0-9_]+),\s*(?:-(E\w+))?", code)
    names = {name for name, _ in found}
    return {"on one side only": names ^ set(told), "too long": {n for n in names if len(n) >= ROOM},
            "of another errno": {n for n, errno in found
                                 if errno and errno not in told.get(n, "").split(", ")}}


class Tracepoints(unittest.TestCase):
    def test_page(self):
        code = "".join(path.read_text() for path in ROOT.glob("*.[ch]")
                       if path.name != "tce_trace.h")
        page = (ROOT / "Documentation/tracepoints.rst").read_text()
        self.assertEqual(faults(code, page), dict.fromkeys(faults("", ""), set()))
        # each fault is found
        name, errno = re.search(r"TCE_REFUSE_WHY\(\s*(\w+),\s*-(E\w+)", code).groups()
        for said, wrong in (("on one side only", ("", page)),
                            ("on one side only", (code, page.replace(f"``{name}``", "x"))),
                            ("of another errno",
                             (re.sub(rf"\({name},\s*-{errno}", f"({name}, -EXDEV", code), page)),
                            ("too long",
                             (code + "TCE_REFUSE_WHY(GONE_WITHOUT_A_WORD_OF_IT, -EINVAL", page))):
            self.assertTrue(faults(*wrong)[said], said)
