# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-tracepoints finds what its page or the tests leave out."""
import unittest

from tce import tracepoints

HEADER = """TRACE_EVENT(tce_go,
	TP_PROTO(int a),
	TP_STRUCT__entry(
		__field(int, container)
		__array(char, why, 24)
		__field(int, rc)
	),
	TP_printk("container=%d why=%s rc=%d",
		  __entry->container)
);
"""
PAGE = """.. fields: all
.. list-table::
   :header-rows: 1

   * - field
     - what
   * - ``container``
     - its number
   * - ``rc``
     - result

.. fields: tce_go
.. list-table::

   * - ``why``
     - reason

checks:

   * - ``GONE``
     - EINVAL
     - it is gone
   * - ``BRIDGE``
     - EIO, EPERM
     - the bridge
"""
WHYS = "#define TCE_WHYS(WHY)\t\\\n\tWHY(GONE)\t\\\n\tWHY(BRIDGE)\n\n#define X\n"
CODE = "int f(int x)\n{\n\treturn x ? TCE_REFUSE(GONE, EINVAL) : tce_refuse_by(TCE_WHY_BRIDGE, x);\n}\n"
SUITE = "\tTCE_REFUSED(fx, GONE, EINVAL,\n\t\t    call());\n\tTCE_MET(fx, BRIDGE);\n"


class Events(unittest.TestCase):
    def wrong(self, header=HEADER, page=PAGE):
        return list(tracepoints.check_events(header, page))

    def test_good(self):
        self.assertEqual(self.wrong(), [])

    def test_faults(self):
        for files, said in (
                ({"header": HEADER.replace("why=%s ", "")}, "names other fields"),
                ({"header": HEADER.replace("container=%d why=%s", "why=%s container=%d")}, "in another order"),
                ({"header": HEADER.replace("\t\t__field(int, rc)\n", "").replace(" rc=%d", "")}, "no field rc"),
                ({"header": HEADER.replace("char, why", "char, reason").replace("why=", "reason=")}, "has the fields reason, not why"),
                ({"page": PAGE.replace("fields: tce_go", "fields: tce_come")}, "nothing about the event tce_go"),
                ({"page": PAGE.replace("fields: tce_go", "fields: tce_come")}, "no event tce_come"),
                ({"page": PAGE.replace("   * - ``why``\n     - reason\n", "")}, "has the fields why, not ")):
            self.assertTrue(any(said in text for text in self.wrong(**files)), said)

    def test_class(self):
        header = HEADER.replace("TRACE_EVENT(tce_go", "DECLARE_EVENT_CLASS(tce_go_class")
        self.assertEqual(self.wrong(header + "DEFINE_EVENT(tce_go_class, tce_go, TP_PROTO());\n"), [])


class Refusals(unittest.TestCase):
    def wrong(self, whys=WHYS, code=CODE, page=PAGE, suites=SUITE, unmet=""):
        sources = {"tce_refusal.h": whys + '/* TCE_WHY("KILLED") */', "tce_a.c": code}
        return list(tracepoints.check_refusals(sources, page, suites, unmet))

    def test_good(self):
        self.assertEqual(self.wrong(), [])
        self.assertEqual(self.wrong(suites="\ttce_expect_why(client->fx, TCE_WHY_GONE);\n", unmet="BRIDGE: no such bridge\n"), [])

    def test_faults(self):
        for files, said in (
                ({"suites": SUITE.replace("GONE", "GO")}, "no case meets the check GONE"),
                ({"suites": ""}, "no case meets the check BRIDGE"),
                ({"unmet": "GONE: no way\n"}, "some case does meet the check GONE"),
                ({"unmet": "WENT: no way\n"}, "no check WENT"),
                ({"code": CODE.replace("GONE", "BRIDGE")}, "nothing is refused by GONE"),
                ({"code": CODE.replace("EINVAL", "ENXIO")}, "GONE has the errnos ENXIO, not EINVAL"),
                ({"page": PAGE.replace("- EINVAL", "- EINVAL, EIO")}, "GONE has the errnos EINVAL, not EINVAL EIO"),
                ({"page": PAGE.replace("``GONE``", "``WENT``")}, "nothing about the check GONE"),
                ({"page": PAGE.replace("``GONE``", "``WENT``")}, "no check WENT"),
                ({"whys": WHYS.replace("GONE", "GONE_WITHOUT_A_WORD_OF_IT")}, "is too long"),
                ({"whys": ""}, "no checks")):
            self.assertTrue(any(said in text for text in self.wrong(**files)), said)

    def test_plain(self):
        for code, errno in (("return -EINVAL;", "EINVAL"), ("return x ? -EIO : 0;", "EIO"), ("return x ? 0 : -EIO;", "EIO"),
                            ("return ERR_PTR(-ENOMEM);", "ENOMEM"), ("rc = -EBUSY;", "EBUSY")):
            body = {"tce_a.c": f"int f(int x)\n{{\n\t{code}\n}}\n"}
            self.assertEqual(list(tracepoints.check_plain(body)), [f"tce_a.c: f() says -{errno}, and not why"])
        for code in ("return -EAGAIN;", "return TCE_REFUSE(GONE, EINVAL);", "if (rc == -EBUSY)\n\t\treturn 0;"):
            self.assertEqual(list(tracepoints.check_plain({"tce_a.c": f"int f(int x)\n{{\n\t{code}\n}}\n"})), [])


class Project(unittest.TestCase):
    def test_project(self):
        wrong, events, checks = tracepoints.check(tracepoints.ROOT)
        self.assertEqual(wrong, [])
        self.assertGreater(events, 5)
        self.assertGreater(checks, 50)
