# SPDX-License-Identifier: GPL-2.0-only
"""scripts/figures: blocks in documents, and what stands outside of them."""
import io
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path

from tce import figures


class Figures(unittest.TestCase):
    current = "0123456789ab"

    @classmethod
    def setUpClass(cls):
        """Documents with all that has to be there, and nothing that must not."""
        cls.good = {path: "" for path, _ in figures.BLOCKS.values()}
        for name, (path, _) in figures.BLOCKS.items():
            cls.good[path] += "Text.\n\n" + cls.block(name)

    @classmethod
    def block(cls, name, stamp=None):
        begin, end = ("<!-- ", " -->") if figures.BLOCKS[name][0].endswith(".md") else (".. ", "")
        if stamp is None:
            stamp = f"*Measured on source {cls.current}, 2026-11-21, 6.12-4k,\npowernv9.*"
        body = "| a table |" if name in figures.DERIVED else f"12 passed.\n\n{stamp}"
        return f"{begin}figures: {name}{end}\n\n{body}\n\n{begin}end of figures{end}\n"

    def judge(self, path="README.md", **changes):
        """(what is wrong, what is older) after a part of a good document was replaced."""
        texts = dict(self.good)
        if changes:
            self.assertIn(changes["old"], texts[path])
            texts[path] = texts[path].replace(changes["old"], changes["new"], 1)
        return figures.judge(texts, self.current, dict.fromkeys(figures.DERIVED, "| a table |\n"))

    def test_good(self):
        self.assertEqual(self.judge(), ([], []))

    def test_older(self):
        for stamp in ("*Measured on source ba9876543210, 2026-11-21.*", "*Measured on a source\nbefore 2026-11-21, 6.12-4k.*"):
            wrong, older = self.judge(old=self.block("check"), new=self.block("check", stamp))
            self.assertEqual((len(wrong), len(older)), (0, 1), stamp)

    def test_no_stamp(self):
        for stamp in ("", "*Measured yesterday.*", "*Measured on source 0123, 2026-11-21.*", "*Measured on source 0123456789ab.*"):
            self.assertTrue(self.judge(old=self.block("check"), new=self.block("check", stamp))[0], stamp)
        self.assertTrue(self.judge(old="12 passed.", new="")[0])

    def test_blocks(self):
        block = self.block("check")
        for new in ("", block * 2, block.replace("figures: check", "figures: other"), block.replace("<!-- end of figures -->", ""),
                    block.replace("<!-- figures: check -->", ""), block.replace("<!-- end", ".. end")):
            self.assertTrue(self.judge(old=block, new=new)[0], new)
        self.assertTrue(self.judge("kunit/README.rst", old="Text.", new=self.block("defects"))[0])

    def test_derived(self):
        self.assertTrue(self.judge(old="| a table |", new="| another one |")[0])

    def test_claims(self):
        for claim in ("with the module as it is", "with the module as it\nis, today", "The last run took long.", "Last figures:",
                      "in 15 minutes", "half an hour", "it needs 4 GB", "17,167 passed", "28 tests passed", "114 of 117", "97.4 %",
                      "some 60 instructions for it", "when they were last run"):
            self.assertTrue(self.judge(old="Text.", new=f"Before\n{claim}\nafter.")[0], claim)
        for text in ("as it is by the kernel's driver", "at least 90 % of at least 100", "one of them", "pages of 2 MiB",
                     "instructions per TCE", "what a run before said", "for some seconds"):
            self.assertFalse(self.judge(old="Text.", new=text)[0], text)

    def test_place(self):
        self.assertIn("README.md:3:", self.judge(old="Text.", new="a\n\nin 15 minutes")[0][0])
        self.assertTrue(self.judge(old=self.block("matrix"), new=self.block("matrix") + "today\n")[0][0].startswith(
            f"README.md:{self.good['README.md'][:self.good['README.md'].index(self.block('matrix'))].count(chr(10)) + 6}:"))

    def tree(self, tmp, source="int a; /* b */\n"):
        root = Path(tmp)
        (root / "compat").mkdir(exist_ok=True)
        (root / "Kbuild").write_text("obj-m := a.o # b\n")
        (root / "tce_a.c").write_text(source)
        (root / "compat/b.h").write_text("#define B 1\n")
        return root

    def test_source_id(self):
        with tempfile.TemporaryDirectory() as tmp:
            before = figures.source_id(self.tree(tmp))
            for same in ("int a;\n", "/* c\n * d */\n\nint  a;\n", "int a; // e\n"):
                self.assertEqual(figures.source_id(self.tree(tmp, same)), before, same)
            ids = {figures.source_id(self.tree(tmp, other)) for other in
                   ("int b;\n", 'char *a = "/* b */";\n', 'char *a = "";\n', "char a = '\"'; /* \" */ int b;\n", "char a = '\"';\n")}
            self.assertEqual(len(ids | {before}), 6)
            root = self.tree(tmp)
            (root / "compat/b.h").write_text("#define B 2\n")
            self.assertNotEqual(figures.source_id(root), before)

    def test_write(self):
        with tempfile.TemporaryDirectory() as tmp, redirect_stderr(io.StringIO()):
            root = self.tree(tmp)
            for path, text in self.good.items():
                (root / path).parent.mkdir(exist_ok=True)
                (root / path).write_text(text)
            now = figures.source_id(root)
            figures.write("races", "13 passed\\1.", ("6.12-4k", "powernv9", "6.12-4k"), now, root)
            texts = {path: (root / path).read_text() for path in self.good}
            self.assertIn("13 passed\\1.", texts["Documentation/security.rst"])
            self.assertIn("6.12-4k, powernv9.*", texts["Documentation/security.rst"])
            self.assertEqual([path for path in texts if texts[path] != self.good[path]], ["Documentation/security.rst"])
            wrong, older = figures.judge(texts, now, dict.fromkeys(figures.DERIVED, "| a table |"))
            self.assertEqual(wrong, [])
            # all the others were measured on something else
            self.assertEqual(len(older), len(figures.BLOCKS) - len(figures.DERIVED) - 1)
            with self.assertRaises(SystemExit):     # the module has changed meanwhile
                figures.write("races", "14 passed.", (), "ba9876543210", root)
            (root / "README.md").write_text("Text.\n")
            with self.assertRaises(SystemExit):     # nowhere to write it
                figures.write("check", "14 passed.", (), now, root)

