# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-words: what is a long sentence, and what names nothing."""
import unittest

from tce import words


class Words(unittest.TestCase):
    """Documents in long sentences, and what is no sentence."""

    short = "The page has an entry. " * 40
    long = "It " + "goes on " * 13 + "at last."

    def wrong(self, text, name="a.rst"):
        return words.judge(name, text)[3]

    def lengths(self, text, name="a.rst"):
        return [n for n, _ in words.sentences(name, text)]

    def test_bounds(self):
        for name in ("a.rst", "a.md"):
            self.assertEqual(self.wrong(self.short, name), [])
            self.assertEqual(self.wrong(f"{self.short} {self.long}", name), [])
            self.assertEqual(len(self.wrong(f"{self.short} {self.long} {self.long} {self.long}", name)), 1)
            self.assertEqual(len(self.wrong("This one has sixteen words which is one more than they may have on the average. " * 3,
                                            name)), 1)

    def test_no_prose(self):
        table = "====  ====\na     b\n====  ====\none   " + "word " * 40 + "\n====  ====\n"
        code = "See::\n\n   " + "word " * 40 + "\n"
        block = ".. figures: x\n\n" + "word " * 40 + "\n\n.. end of figures\n"
        cells = ".. list-table::\n\n   * - " + "word " * 40 + "\n"
        head = "Title\n=====\n"
        for text in (table, block, cells, head):
            self.assertEqual(self.lengths(f"{text}\nTwo words.\n"), [2], text)
        self.assertEqual(self.lengths(f"{code}\nTwo words.\n"), [1, 2])
        for text in ("| " + "word " * 40 + "|\n", "    " + "word " * 40 + "\n", "```\n" + "word " * 40 + "\n```\n",
                     "<!-- figures: x -->\n" + "word " * 40 + "\n<!-- end of figures -->\n", "# Title\n"):
            self.assertEqual(self.lengths(f"{text}\nTwo words.\n", "a.md"), [2], text)

    def test_sentences(self):
        self.assertEqual(self.lengths("One of ``a b c``. Two has 1.5 words. Three (e.g. this)\ngoes on?"), [3, 4, 5])
        self.assertEqual(self.lengths("* one item\n* another one here\n\nterm\n   What it is.\nnext\n   What that is."), [2, 3, 3, 3])

    def test_comments(self):
        text = """/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Three words here. And
 * another two.
 *
 *   a table\tof two words
 *   again\tthree words
 */
/**
 * name() - what it does
 * @one: its meaning
 *
 * One call::
 *
 *   no words (at all)
 *
 * Return: 0; -EIO if it fails. Then more.
 */
char *s = "/* nothing"; // Two words.
"""
        self.assertEqual(self.lengths(text, "a.c"), [3, 3, 5, 3, 3, 2, 2, 1, 4, 2, 2])
        self.assertEqual(len(self.wrong(f"/* {self.long} */", "a.h")), 2)

    def test_manual_page(self):
        text = """.\\" comment
.TH NAME 4 2026
.SH A HEADING OF SOME WORDS
Two words.
One of
.BR modprobe (8) .
.TP
.B a tag that is long
What it is.
.nf
no words at all
.fi
.B "Last one\\-off."
"""
        self.assertEqual(self.lengths(text, "a.4"), [2, 3, 3, 2])
        self.assertEqual(len(self.wrong(f"{self.long}\n.PP\n{self.long}\n", "a.4")), 2)

    def test_names(self):
        names, known = ["tce_a.c", "scripts/b", "kunit/c/d.h"], {"f"}
        good = "``f()``, `tce_a.c`, ``scripts/b``, ``scripts/b --write``, ``kunit/``, ``kunit/c``, ``kunit/c/d.h``, ``tce_a.case``."
        self.assertEqual(words.unknown(good, names, known), [])
        for bad in ("``g()``", "``tce_b.c``", "`scripts/c`", "``kunit/e/``"):
            self.assertEqual(len(words.unknown(f"{good}\n{bad}", names, known)), 1, bad)
