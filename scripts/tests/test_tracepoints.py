# SPDX-License-Identifier: GPL-2.0-only
"""Documentation/tracepoints.rst has each reason for which a call is refused, with its errno, and a KUnit case meets each."""
import re
import unittest

from tce.paths import ROOT

# No KUnit case can meet these: they are refused by kernels without KUnit in kernels.conf.
UNMET = {"REAL_MODE"}
ROOM = 24       # of the field "reason"


def faults(code, page, suites):
    told = dict(re.findall(r"^   \* - ``([A-Z0-9_]+)``\n     - ([A-Z, ]+)$", page, re.M))
    found = re.findall(r"TCE_REFUSE(?:_VALUE)?\((\w+),\s*(E\w+)", code)
    # the errno is somebody else's
    names = {name for name, _ in found} | set(re.findall(r'(?:TCE_REFUSE_BY\(|tce_refuse\("|_errno\(")(\w+)', code))
    met = set(re.findall(r'(?:TCE_(?:REFUSED|MET)\(\s*[\w>-]+,\s*|tce_expect_why\([\w>-]+, ")(\w+)[",)]', suites))
    return {"on one side only": names ^ set(told), "too long": {n for n in names if len(n) >= ROOM}, "not met": names ^ met ^ UNMET,
            "of another errno": {n for n, errno in found if errno not in told.get(n, "").split(", ")}}


class Tracepoints(unittest.TestCase):
    def test_page(self):
        code = "".join(path.read_text() for path in ROOT.glob("*.[ch]") if path.name != "tce_trace.h")
        page = (ROOT / "Documentation/tracepoints.rst").read_text()
        suites = "".join(path.read_text() for path in (ROOT / "kunit").glob("*_kunit.c"))
        self.assertEqual(faults(code, page, suites), dict.fromkeys(faults("", "", ""), set()))
        # each fault is found
        name, errno = re.search(r"TCE_REFUSE\((\w+),\s*(E\w+)", code).groups()
        long = "TCE_REFUSE(GONE_WITHOUT_A_WORD_OF_IT, EINVAL"
        for said, wrong in (("on one side only", ("", page, suites)),
                            ("on one side only", (code, page.replace(f"``{name}``", "x"), suites)),
                            ("of another errno", (re.sub(rf"\({name},\s*{errno}", f"({name}, EXDEV", code), page, suites)),
                            ("too long", (code + long, page, suites)), ("not met", (code, page, suites + "TCE_MET(t, GONE)")),
                            ("not met", (code, page, re.sub(rf"\b{name}\b", "x", suites)))):
            self.assertTrue(faults(*wrong)[said], said)
