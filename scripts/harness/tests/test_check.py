# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check: how steps are counted."""
import io
from contextlib import redirect_stdout
from unittest.mock import patch

from harness import kernels, steps
from harness.paths import ROOT, SCRIPTS
from harness.steps import Step
from harness.tests import Scratch, load, printed

check = load(SCRIPTS / "check")


def report(*lines):
    return "\n".join(("\nVM-START", "KTAP version 1", f"1..{len(lines)}", *lines)) + "\n"


class Check(Scratch):
    def test_count(self):
        """What a step has said, how many tests have to pass, and whether it ended well; and whether
        that was good."""
        for output, least, ended, good, passed, failed, skipped in (
                ("x\n>> a: 3 passed, 0 failed, 2 skipped\n", 1, True, True, 3, 0, 2),
                ("nothing", 0, True, True, 1, 0, 0), ("nothing", 0, False, False, 0, 1, 0),
                # the tests passed, the run did not; and the other way round
                (">> a: 3 passed, 0 failed, 0 skipped\n", 1, False, False, 3, 1, 0),
                (">> a: 3 passed, 1 failed, 0 skipped\n", 1, True, False, 3, 1, 0),
                (">> a: 0 passed, 0 failed, 5 skipped\n", 1, True, False, 0, 1, 5),
                # fewer than once, or nobody has written down how many
                (">> a: 4 passed, 0 failed, 0 skipped\n", 4, True, True, 4, 0, 0),
                (">> a: 3 passed, 0 failed, 0 skipped\n", 4, True, False, 3, 1, 0),
                (">> a: 3 passed, 0 failed, 0 skipped\n", 0, True, False, 3, 1, 0),
                ("nothing", 1, True, False, 0, 1, 0)):
            counter = check.Check(whole=False)
            self.assertEqual((counter.count(Step("step", ["x"], least), output, ended)[0],
                              counter.passed, counter.failed, counter.skipped.total()),
                             (good, passed, failed, skipped), output)
            self.assertEqual(counter.good(), good)

    def test_said(self):
        """A step that builds the module fails if there is more than the path of what it built."""
        warning = f"{SCRIPTS}/check:1:2: warning: symbol 'x' was not declared"
        self.assertEqual(check.said(f">> a kernel\n{SCRIPTS}/check\n{warning}\n"), [warning])

    def missed(self, **logs):
        """What is missed after steps that have run tests on hosts: {kernel: console}"""
        counter = check.Check(whole=True)
        with patch("harness.paths.LOGS", self.top):
            for kernel, text in logs.items():
                what, ours = ("kunit", "") if kernel.startswith("kunit") else ("selftest", "-ours")
                self.file(f"{what}-{kernel}-m{ours}.log", text)
                counter.count(Step(kernel, [what, "--kernel", kernel, "--machine", "m"]),
                              ">> x: 9 passed, 0 failed, 9 skipped\n", True)
        self.assertEqual(counter.good(), not counter.missed())
        return counter.missed()

    def test_skipped_everywhere(self):
        some = report("ok 1 a: x", "ok 2 user: a: x", "ok 3 a: y # SKIP no", "ok 4 a: z # SKIP no")
        self.assertEqual(self.missed(a=some, b=report("ok 1 user: a: x", "ok 2 user: a: y")),
                         ["skipped everywhere: a: z"])
        self.assertEqual(self.missed(a=some, b=report("ok 1 a: y", "ok 2 user: a: z")), [])

    def test_parameters(self):
        """Each has to pass somewhere, and each host to try as many."""
        lines = ("    KTAP version 1", "    # Subtest: s", "    1..2", "        KTAP version 1",
                 "        # Subtest: c", "        ok 1 v1", "        ok 2 v2 # SKIP no page",
                 "    # c: pass:1 fail:0 skip:1 total:2", "    ok 1 c", "    ok 2 d", "ok 1 s")
        some = report(*lines).replace("1..11", "1..1")
        self.assertEqual(self.missed(kunit=some), ["skipped everywhere: s.c: v2"])
        self.assertEqual(self.missed(kunit=some, kunit_2=some.replace(" # SKIP no page", "")), [])
        fewer = some.replace("        ok 2 v2 # SKIP no page\n", "").replace("total:2", "total:1")
        self.assertEqual(self.missed(kunit=some, kunit_2=fewer), [
            "skipped everywhere: s.c: v2", "a host tries 1 of 2 parameters: s.c"])

    def test_failed_steps(self):
        """Only in a complete run of make check does each test have to pass somewhere; and what has
        failed is run again, until it passes."""
        failing = {"lint": ["lint"], "storm kunit-kcsan powernv9": ["--kernels"]}
        for args in ([], ["lint"], ["--quick"], ["--kernels", "6.1-be"], ["--kernels"]):
            for bad in ([], [name for name, how in failing.items() if how == args]):
                def all_of_it(counter, *_, bad=bad, whole=not args):
                    self.assertEqual(counter.whole, whole)
                    counter.passed, counter.failed, counter.failed_steps = 1, len(bad), bad
                with patch("sys.argv", ["check", *args]), patch.object(check, "run", all_of_it), \
                        patch.object(check, "LOGS", self.top), \
                        patch.object(check, "FAILED", self.top / "failed"), \
                        redirect_stdout(io.StringIO()):
                    self.assertEqual(check.main(""), int(bool(bad)))
                    self.assertEqual({step.name for step in check.failed_before()}, {*bad})

    def test_kernels(self):
        """Each row is booted by make check, make kernels, scripts/nightly/coverage or defects, but
        for what is only compiled for."""
        rows = {name for name, row in kernels.rows().items() if row[0] not in ("clang", "tree")}
        others = {kernel for kernel, *_ in (*load(SCRIPTS / "nightly/coverage").RUNS,
                                            *load(SCRIPTS / "nightly/defects").HOSTS.values())}
        booted = {dict(zip(command, command[1:])).get("--kernel")
                  for _, command, _ in (*steps.machines(), *steps.runs())} - {None}
        self.assertEqual(rows, booted | others)
        self.assertFalse({step.name for step in steps.machines()}
                         & {step.name for step in steps.runs()})

    def test_source_tree(self):
        """build-kernel --tree: a kernel that is built again if a file of its source changes, or
        what it is to be configured with."""
        for file in ("scripts/image/build-kernel", "scripts/lib.sh"):
            self.file(file, (ROOT / file).read_text()).chmod(0o755)
        for file in ("arch/powerpc/Kconfig", "drivers/vfio/Kconfig"):
            self.file(f"linux/{file}", "config VFIO_CONTAINER\n")

        def row(*more):
            name = printed(self.top / "scripts/image/build-kernel", "--tree", self.top / "linux",
                           *more)
            return next(row.split() for row in
                        (self.top / "out/kernels.conf").read_text().splitlines()
                        if row.startswith(f"{name.strip()} "))

        first = row()
        self.assertLessEqual({"64k-pages", "little-endian"}, set(first[4].split(",")))
        self.assertEqual(row(), first)
        self.file("linux/x.c", "")
        self.assertNotEqual(row(), first)
        fragments = set(row("4k-pages,big-endian,debug")[4].split(","))
        self.assertLessEqual({"4k-pages", "big-endian", "debug"}, fragments)
        self.assertFalse({"64k-pages", "little-endian"} & fragments)
