# SPDX-License-Identifier: GPL-2.0-only
"""The page of results: nothing gets lost, what is outdated is marked, and a failure is shown."""
import io
import subprocess
from unittest.mock import patch

from harness import results
from harness.paths import ROOT
from harness.tests import Scratch

MARK = " (the module has changed since)"


class Results(Scratch):
    def setUp(self):
        super().setUp()
        self.out = self.top / "out"
        for file in ("tce_table.c", "Kbuild", "compat/older.h", "scripts/x.c", "kunit/y.c"):
            self.file(file, "one\n")
        self.git("init", "-q")
        self.commit = self.committed()

    def git(self, *args):
        return subprocess.run(["git", "-C", self.top, "-c", "user.name=x", "-c",
                               "user.email=x@invalid", *args], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    def committed(self):
        self.git("add", "-A", ":!out")
        self.git("commit", "-qm", "x", "--allow-empty")
        return results.commit(self.top)

    def write(self, old=""):
        """The page that follows from an old one and what commands have left."""
        known = results.on_page(old)
        return results.page({name: results.newer(name, known[name], self.out)
                             for name in results.PARTS}, self.top)

    def record(self, name, date, line=None, said="one\n\n  two  3\n"):
        with patch.object(results, "today", lambda: date):
            if line:
                results.failed(name, line, self.out, self.commit)
            else:
                results.save(name, said, self.out, self.commit, 7)

    def test_kept(self):
        """A part without a new result is what it was, and so is all else if nothing is new."""
        self.record("clients", "2026-01-01", said="first")
        self.record("bench", "2026-01-01")
        old = self.write()
        self.assertIn(f"``make bench``, 2026-01-01, source {self.commit}, on {results.machine()}, "
                      "in 7 minutes::\n\n   one\n\n"
                      "     two  3\n", old)
        self.assertLess(old.index(".. image:: cost-regions.svg"), old.index("make bench``, "))
        self.assertLess(old.index("make clients``, "), old.index("make bench``, "))
        self.assertRegex(old, r"No complete run is recorded of ``make check``, ``make kernels``, "
                         r".*``scripts/nightly/defects``\.")
        self.out.rename(self.top / "gone")
        self.assertEqual(self.write(old), old)
        self.record("clients", "2026-01-02", said="second")
        new = self.write(old)
        self.assertEqual(new, old.replace("first", "second").replace(
            "make clients``, 2026-01-01", "make clients``, 2026-01-02"))
        # what was left here long ago is no news
        self.record("clients", "2025-12-31", said="zeroth")
        self.assertEqual(self.write(new), new)

    def test_changed(self):
        self.record("bench", "2026-01-01")
        self.record("clients", "2026-01-01", "1 failed")
        old = self.write()
        self.assertNotIn(MARK, old)
        for file, text, changed in (("scripts/x.c", "two\n", False), ("kunit/y.c", "two\n", False),
                                    ("tce_table.c", "two\n", True),
                                    ("tce_table.c", "/* why */\none\n", False),
                                    ("Kbuild", "two\n", True),
                                    ("compat/older.h", "two\n", True)):
            for commit in (False, True):
                self.file(file, text)
                if commit:
                    self.committed()
                new = self.write(old)
                self.assertEqual(new.count(MARK), 2 * changed, file)
                self.assertEqual(new.replace(MARK, ""), old)
                self.assertEqual(self.write(new), new)
            self.file(file, "one\n")
            self.committed()
            self.assertEqual(self.write(new), old)
        (self.top / "tce_table.c").unlink()
        self.assertIn(MARK, self.write(old))
        self.out.rename(self.top / "gone")
        for unknown in ("unknown", f"{self.commit}-dirty", "0123456789ab"):
            new = self.write(old.replace(self.commit, unknown))
            self.assertIn(f"source {unknown}{MARK}, on", new)
            self.assertEqual(self.write(new), new)

    def test_exit_code(self):
        """What a script says is kept as good, or as failed."""
        for status in ("0", "3"):
            with patch("sys.argv", ["results", "guest", "x", status]), \
                    patch("sys.stdin", io.StringIO("it\n")), \
                    patch.object(results, "save") as save, patch.object(results, "failed") as bad:
                results.main("")
            self.assertEqual((save.called, bad.called), (status == "0", status != "0"))

    def test_failed(self):
        """It stands above the last good run, on this machine and on others, until there is a good
        one."""
        failed = (f"The last run, 2026-01-02, source {self.commit}, failed: ``19 passed, 'x_', 1 "
                  "failed``\n\n")
        self.record("bench", "2026-01-01")
        old = self.write()
        self.record("bench", "2026-01-02", "19 passed, `x_`, 1 failed")
        new = self.write(old)
        self.assertEqual(new,
                         old.replace(".. image:: cost-regions", failed + ".. image:: cost-regions"))
        self.out.rename(self.top / "gone")
        self.assertEqual(self.write(new), new)
        # only the failure is new here
        self.record("bench", "2026-01-02", "19 passed, `x_`, 1 failed")
        self.assertEqual(self.write(old), new)
        self.record("bench", "2026-01-02")
        self.assertEqual(self.write(new), old.replace("2026-01-01", "2026-01-02"))
        self.record("bench", "2026-01-03", "it")
        self.record("bench", "2026-01-04")
        self.assertNotIn("last run", self.write(new))

    def test_never_good(self):
        self.record("guest", "2026-01-02", "0 passed, 1 failed")
        page = self.write()
        self.assertIn("Guests\n======\n\nThe last run, ", page)
        self.assertRegex(page, "No complete run is recorded of .*``scripts/guests``")
        self.assertEqual(self.write(page), page)

    def test_page_of_this_tree(self):
        """It can be read, whatever is in it."""
        text = (ROOT / "Documentation/results.rst").read_text()
        titles = [title for _, title in results.PARTS.values() if f"\n{title}\n=" in text]
        parts = results.on_page(text)
        self.assertEqual([results.PARTS[name][1] for name, said in parts.items() if said], titles)
        # each run has its source, where it is marked
        self.assertEqual(len(results.SOURCE.findall(text)),
                         text.count("::\n") + text.count("\nThe last run, "))
        self.assertEqual(results.page(parts).replace(MARK, ""), text.replace(MARK, ""))
