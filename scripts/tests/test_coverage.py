# SPDX-License-Identifier: GPL-2.0-only
"""scripts/coverage: lines, reasons and goals."""
import base64
import gzip
import io
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

from tce.coverage import command, gcov, html, verdict


class Coverage(unittest.TestCase):
    sources = {"tce_table.c": ["static int f(int a)", "{", "\ta = 1;", "\treturn -EIO;", "}"]}

    def judge(self, lines, reasons=None, branches=(1, 1)):
        counts = gcov.Counts()
        counts.add({"files": [{"file": "/x/tce_table.c", "lines": [
            {"line_number": n + 1, "count": c, "function_name": "f",
             "branches": [{"count": b} for b in branches]} for n, c in enumerate(lines)]}]},
            self.sources)
        return verdict.judge(counts, reasons or {}, self.sources, (50, 50))

    def test_judge(self):
        reason = {("tce_table.c", "f", "return -EIO;"): "because"}
        with redirect_stdout(io.StringIO()):
            self.assertFalse(self.judge([1, 1, 1, 1]))
            self.assertTrue(self.judge([1, 1, 1, 0]))
            self.assertFalse(self.judge([1, 1, 1, 0], reason))
            self.assertTrue(self.judge([1, 1, 0, 0], reason))
            self.assertTrue(self.judge([1, 1, 1, 1], branches=(1, 0, 0)))
            self.assertTrue(self.judge([]))

    def test_reason_names_a_line_once(self):
        lines = ["static int f(int a)", "{", "\treturn -EIO;", "\treturn -EIO;", "}"]
        self.assertEqual([verdict.name_of(lines, n) for n in (3, 4)], ["return -EIO; (1 of 2)", "return -EIO; (2 of 2)"])
        reason = {("tce_table.c", "f", "return -EIO;"): "because"}
        first = {("tce_table.c", "f", "return -EIO; (1 of 2)"): "because"}
        with redirect_stdout(io.StringIO()):
            old, self.sources = self.sources, {"tce_table.c": lines}
            counts = [1, 1, 0, 1, 1]
            self.assertTrue(self.judge(counts, reason))
            self.assertFalse(self.judge(counts, first))
            self.assertTrue(self.judge([1, 1, 0, 0, 1], first))
            self.assertTrue(self.judge(counts, {**first, ("tce_table.c", "f", "gone;"): "because"}))
            self.sources = old

    def test_reasons_are_of_lines(self):
        sources = command.sources()
        for file, function, text in verdict.read_reasons(verdict.REASONS.read_text()):
            self.assertTrue((function, text) in verdict.names(sources[file]), f"{file} {function} {text}")

    def test_html(self):
        counts = gcov.Counts()
        counts.add({"files": [{"file": "/x/a.c", "lines": [
            {"line_number": 1, "count": 4, "branches": [{"count": 4}, {"count": 0}]},
            {"line_number": 2, "count": 0, "branches": []}]}]}, {"a.c"})
        with tempfile.TemporaryDirectory() as tmp:
            (Path(tmp) / "a.c").write_text("int a = 1;\nint b;\n")
            page = html.write(counts, Path(tmp) / "html", Path(tmp))
            self.assertIn("a.c", page.read_text())
            said = "".join(path.read_text() for path in page.parent.glob("index.a.c.*.html"))
            self.assertIn("linecount uncoveredLine", said)
            self.assertIn("50.0", page.read_text())
        self.assertEqual(html.tracefile(counts)["files"][0]["lines"][0]["branches"][1]["count"], 0)

    def test_data(self):
        data = base64.encodebytes(gzip.compress(b"x" * 500)).decode()
        text = f">> gcov /sys/kernel/debug/gcov/x/tce_table.gcda\n{data}>> gcov end\n"
        self.assertEqual(gcov.data_of(text), {"tce_table": b"x" * 500})
        # the kernel speaks in the middle of a line, at its end, and in place of all of it
        said = "[    1.234567] tick: said\n"
        for at in (len(text) - 30, text.index("\n") + 1, text.index(">> gcov end")):
            self.assertEqual(gcov.data_of(text[:at] + said + text[at:]), {"tce_table": b"x" * 500})
        lost: list[str] = []
        broken = text.replace(data[:20], "")
        self.assertEqual(gcov.data_of(broken, lost), {})
        self.assertEqual(lost, ["tce_table"])

    def test_function(self):
        lines = ["int a;", "static int f(int b,", "\t     int c)", "{", "\tc = b;", "}", "int g;"]
        self.assertEqual([verdict.function_at(lines, n) for n in (1, 5, 7)], ["", "f", ""])

    def test_reasons(self):
        self.assertEqual(verdict.read_reasons("# SPDX\n\ntce_table.c f\n- a;\n- b;\n= why\n"),
                         {("tce_table.c", "f", "a;"): "why", ("tce_table.c", "f", "b;"): "why"})

