# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-docs: which declarations need a comment."""
import unittest

from tce import docs


class Docs(unittest.TestCase):
    source = """/* SPDX */
#define X(a) \\
	b
struct a {
	int b;
};

static int c(void)
{
}

long d(int e,
       int f)
{
}

static inline int g(void)
{
}
"""

    def test_needed(self):
        self.assertEqual(docs.needed(self.source, header=False), ["a", "d"])
        self.assertEqual(docs.needed(self.source, header=True), ["a", "d", "g"])

    def test_missing(self):
        self.assertEqual(docs.missing(self.source, False, {"a"}), ["d"])
        self.assertEqual(docs.missing(self.source, False, {"a", "d"}), [])

