# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-tracepoints finds what its page or the tests leave out."""
import unittest

from tce import tracepoints

FILES = {
    "header": "TRACE_EVENT(tce_go,\n\tTP_STRUCT__entry(\n\t\t__field(int, rc)\n\t\t__array(char, why, 24)\n\t),\n);\n",
    "whys": "WHY(GONE)\t\\\n\tWHY(BRIDGE)\n",
    "code": "int f(int x)\n{\n\treturn x ? TCE_REFUSE(GONE, EINVAL) : tce_refuse_by(TCE_WHY_BRIDGE, x);\n}\n",
    "page": (".. fields: all\n\n   * - field\n     - what\n   * - ``rc``\n     - result\n\n\n"
             ".. fields: tce_go\n\n   * - ``why``\n     - reason\n\n\n"
             "   * - ``GONE``\n     - EINVAL\n     - it is gone\n   * - ``BRIDGE``\n     - EIO, EPERM\n     - the bridge\n"),
    "suites": "\tTCE_REFUSED(fx, GONE, EINVAL,\n\t\t    call());\n\ttce_expect_why(client->fx, TCE_WHY_BRIDGE);\n",
    "unmet": "",
}


class Tracepoints(unittest.TestCase):
    def wrong(self, **changed):
        files = {**FILES, **changed}
        sources = {"tce_trace.h": files["header"], "tce_refusal.h": files["whys"], "tce_a.c": files["code"]}
        return tracepoints.check(sources, files["page"], files["suites"], files["unmet"])[0]

    def test_good(self):
        self.assertEqual(self.wrong(), [])
        self.assertEqual(self.wrong(suites="\tTCE_MET(fx, GONE);\n", unmet="BRIDGE: no such bridge\n"), [])
        event = "DECLARE_EVENT_CLASS(tce_go_class," + FILES["header"].split(",", 1)[1] + "DEFINE_EVENT(tce_go_class, tce_go, TP_PROTO());\n"
        self.assertEqual(self.wrong(header=event), [])
        for code in ("return -EAGAIN;", "if (rc == -EBUSY)\n\t\treturn 0;"):
            self.assertEqual(self.wrong(code=FILES["code"] + f"int g(int x)\n{{\n\t{code}\n}}\n"), [])

    def test_faults(self):
        for name, old, new, said in (
                ("header", "char, why", "char, reason", "event tce_go"), ("header", "\t\t__field(int, rc)\n", "", "event tce_go"),
                ("page", "fields: tce_go", "fields: tce_come", "event tce_come"), ("page", "   * - ``why``\n", "", "event tce_go"),
                ("page", "- EINVAL", "- EINVAL, EIO", "check GONE"), ("page", "``GONE``", "``WENT``", "check WENT"),
                ("code", "EINVAL", "ENXIO", "check GONE"), ("code", "GONE", "WENT", "no check WENT"),
                ("code", "TCE_REFUSE(GONE, EINVAL)", "-EINVAL", "f() says -EINVAL"),
                ("suites", "GONE", "GO", "no check GO"), ("suites", "TCE_WHY_BRIDGE", "0", "check BRIDGE: no KUnit case"),
                ("unmet", "", "GONE: no way\n", "a case meets it"), ("whys", "GONE", "GONE_WITHOUT_A_WORD_OF_IT", "is too long"),
                ("unmet", "", "WENT: no way\n", "no check WENT")):
            changed = FILES[name].replace(old, new) if old else new
            self.assertTrue(any(said in text for text in self.wrong(**{name: changed})), (name, new))
