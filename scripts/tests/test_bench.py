# SPDX-License-Identifier: GPL-2.0-only
"""scripts/bench: figures that meet all goals but the ones that are known to be missed, and what may be wrong with them."""
import csv
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from tce import module
from tce.bench import goals, machines, measured, onelock
from tce.bench import verdict as verdicts
from tce.check.run import TESTS
from tce.paths import ROOT


class Bench(unittest.TestCase):
    """Figures that meet all goals but the ones that are known to be missed, and what may be wrong with them."""

    def setUp(self):
        # the figures made up here miss one goal that is known to be missed, whatever others are
        known = goals.BEHIND[machines.HOSTS[0]]
        self.enterContext(patch.object(goals, "BEHIND", {machines.HOSTS[0]: known}))

    def figures(self, name, machine, short, change=None):
        """What a run would have measured: @change(key, value) may be another value, or None for no row."""
        def rows():
            for driver, factor in (("ours", 1), ("intree", 4)):
                for version in (1, 2):
                    for memory in ("scattered", "contiguous", "thp", "hugetlb"):
                        for op in ("map", "unmap"):
                            known = goals.BEHIND.get((name, machine), {}).get("v1 map and unmap, one entry")
                            missed = known and version == 1
                            yield (driver, op, version, memory, 4 * measured.MIB), 90 * factor
                            yield (driver, op, version, memory, 4096), known[0] / (2 if factor == 1 else 2.2) if missed else 2000 * factor
                        for op in ("map-calls", "unmap-calls"):
                            for n in (512, 1024):
                                yield (driver, op, version, memory, n), factor
                    for what, value in (("cpus", 2), ("spun", 0), ("slept", 0), ("contended", 0)):
                        for n in (4096, 65536, measured.MIB):
                            yield (driver, "parallel", version, what, n), value
                    yield (driver, "parallel", version, "beside", goals.LONG_CALL[version]), 1
                    yield (driver, "parallel", version, "beside-register", goals.AGAIN), 1
                for op in ("register", "map", "unmap", "unregister"):
                    for n in (16, 65536):
                        yield (driver, op, 2, "registrations", n), 1000 * factor
                for op in ("start", "stop"):
                    yield (driver, op, 2, "dpdk", 8192), 1e6 * factor ** 3
                for memory in ("scattered", "thp", "hugetlb"):
                    for op in ("register", "unregister", "books"):
                        yield (driver, op, 2, memory, goals.SHORT_REGISTER if short else 1024 * measured.MIB), 5 * factor
                for op in ("register", "unregister", "books"):
                    yield (driver, op, 2, "again", goals.AGAIN), 9 * factor
                    yield (driver, op, 2, "giant", goals.GIANT_AGAIN), 9 * factor
                for op in ("hold-register", "hold-unregister"):
                    for n in (1024 * measured.MIB, goals.AGAIN):
                        yield (driver, op, 2, "again", n), 1000
                for version in (1, 2):
                    yield (driver, "close", version, "full", 1 << 31), 90 * factor
                for bits in (37, 46):
                    yield (driver, "levels", 2, "sparse", 1 << bits), 5
                    for op in ("unmap-all", "remove"):
                        page = 65536 if name.endswith("64k") else 4096
                        yield (driver, op, 2, "sparse", 1 << bits), 50 * goals.cells(bits, 5, page) * factor
            for op in ("kill", "exchange", "exchange0", "set", "clear"):
                yield ("floor", op, 0, "floor", 4 * measured.MIB), 80

        with tempfile.TemporaryDirectory() as tmp:
            path = Path(tmp) / "x.csv"
            with open(path, "w", newline="", encoding="ascii") as f:
                writer = csv.writer(f)
                writer.writerow(("kernel", "machine", *measured.FIELDS))
                for key, value in rows():
                    value = change(key, value) if change else value
                    if value is not None:
                        writer.writerow((name, machine, *key, "x", value))
            return measured.Figures(path)

    def judge(self, host=machines.HOSTS[0], short=False, change=None):
        verdict = verdicts.Verdict()
        text = verdicts.judge(self.figures(*host, short, change), *host, short, verdict)
        return verdict, text

    def test_goals_are_there(self):
        for host in (*machines.HOSTS, *machines.OLDER):
            for short in (False, True):
                verdict, text = self.judge(host, short)
                known = len(goals.BEHIND.get(host, {}))
                self.assertTrue(verdict.good(), text)
                self.assertEqual((verdict.met, verdict.missed), (goals.GOALS[host][short] - known, known))
                self.assertTrue(TESTS.search(verdict.line()))

    def test_number_of_goals(self):
        more = {**goals.GOALS, machines.HOSTS[0]: (99, 99)}
        with patch.object(goals, "GOALS", more):
            self.assertFalse(self.judge()[0].good())

    def test_missing_figure(self):
        """Take away each figure in turn: a goal that needs it fails, or none needs it."""
        keys = list(self.figures(*machines.HOSTS[0], False).data)
        needed = {("ours", "map", 2, "thp", 4 * measured.MIB), ("intree", "unmap", 1, "scattered", 4096),
                  ("floor", "kill", 0, "floor", 4 * measured.MIB), ("ours", "books", 2, "scattered", 1024 * measured.MIB),
                  ("ours", "parallel", 1, "cpus", measured.MIB), ("ours", "parallel", 2, "beside", goals.LONG_CALL[2]),
                  ("ours", "unregister", 2, "registrations", 65536), ("intree", "stop", 2, "dpdk", 8192),
                  ("ours", "books", 2, "again", goals.AGAIN), ("ours", "unregister", 2, "again", goals.AGAIN),
                  ("ours", "register", 2, "thp", 1024 * measured.MIB),
                  ("ours", "levels", 2, "sparse", 1 << 46), ("ours", "map-calls", 1, "contiguous", 1024)}
        self.assertEqual(needed - set(keys), set())
        failed = set()
        for gone in keys:
            verdict, text = self.judge(change=lambda key, value: None if key == gone else value)
            if not verdict.good():
                failed.add(gone)
                self.assertIn("NO FIGURE", text)
        self.assertEqual(needed - failed, set())
        self.assertGreater(len(failed), 60)
        self.assertFalse(self.judge(change=lambda key, value: None)[0].good())

    def test_missed(self):
        def worse(factor, *start):
            return self.judge(change=lambda key, value: value * factor if key[:len(start)] == start else value)[0]
        for start in (("ours", "map", 2, "thp"), ("ours", "register", 2, "registrations", 65536), ("ours", "start"),
                      ("ours", "books"), ("ours", "register", 2, "again"), ("ours", "unregister", 2, "again"),
                      ("ours", "books", 2, "again"), ("ours", "register", 2, "thp"), ("ours", "remove"),
                      ("ours", "unmap-calls"), ("ours", "map", 1, "scattered")):
            self.assertFalse(worse(100, *start).good(), start)
        for start in (("ours", "parallel", 1, "cpus"), ("ours", "parallel", 2, "beside"), ("ours", "parallel", 2, "beside-register"),
                      ("ours", "books")):
            self.assertFalse(worse(0, *start).good(), start)

    def test_known_to_be_missed(self):
        """Counted as missed; that it is met is an error, and so is a goal that is none."""
        verdict, _ = self.judge()
        self.assertIn(f", 0 failed, 0 skipped, {verdict.missed} missed", verdict.line())
        for known in ({"v2 map, one entry": (1, "x")}, {"no such goal": (1, "x")}):
            with patch.object(goals, "BEHIND", {machines.HOSTS[0]: {**goals.BEHIND.get(machines.HOSTS[0], {}), **known}}):
                self.assertFalse(self.judge()[0].good(), known)

    def test_one_lock(self):
        def judge(beside):
            return onelock.judge_wrong(self.figures(*machines.HOSTS[0], True, lambda key, value: beside
                                                  if key[3] == "beside" else value))[0]
        self.assertEqual(judge(0.1), [])
        self.assertTrue(judge(1))
        self.assertTrue(judge(None))
        for lucky, tries in ((0, 1), (1, 2), (9, 1 + machines.AGAIN)):
            runs = [self.figures(*machines.HOSTS[0], True, lambda key, value, n=n: (1 if n < lucky else 0) if key[3] == "beside" else value)
                    for n in range(tries)]
            with patch.object(onelock, "measure_wrong", side_effect=runs), patch.object(onelock, "Figures", lambda f: f):
                self.assertEqual(bool(onelock.control("k", "m")[0]), lucky > machines.AGAIN)
        text = onelock.one_lock((ROOT / module.face()).read_text())
        self.assertEqual(text.count("one_at_a_time"), 2)

    def test_measured_again(self):
        """What a busy host takes part in is measured again, the best counts; nothing else is."""
        calls = []

        def measure(first, later):
            def boot(*args):
                calls.append(args[4].get("BENCH_TESTS"))
                rows = [f"csv,ours,parallel,2,beside,{goals.LONG_CALL[2]},ratio,{first if len(calls) == 1 else later}",
                        f"csv,ours,map,2,thp,4096,insn/tce,{900 if len(calls) == 1 else 1}.000"]
                return "\n".join(rows)
            calls.clear()
            with tempfile.TemporaryDirectory() as tmp, patch.object(machines, "OUT", Path(tmp)), patch.object(machines, "boot", boot), \
                    patch.object(machines, "build", lambda *_: (None, ["floor/tce_floor.ko", "ours.ko"])), \
                    patch.object(machines, "lines_of", lambda f, *_: [goals.beside_line(f, 2)]), patch.object(machines, "say"):
                f = measured.Figures(machines.measure("6.12-4k", "powernv9", True, 8192, None))
                return f.get("ours", "parallel", 2, "beside", goals.LONG_CALL[2]), f.get("ours", "map", 2, "thp", 4096), len(calls)
        self.assertEqual(measure("0.900", "0.100"), (0.9, 900, 1))
        self.assertEqual(measure("0.010", "0.800"), (0.8, 900, 2))
        self.assertEqual(measure("0.020", "0.010"), (0.02, 900, 1 + machines.AGAIN))
        self.assertEqual(calls[1:], [machines.PARALLEL] * machines.AGAIN)

    def test_torn_row(self):
        self.assertEqual(len(measured.ROW.findall("csv,ours,map,1,thp,4096,insn/tce,1.000\ncsv,ours,map,1,th[ 1.0] x\n")), 1)

