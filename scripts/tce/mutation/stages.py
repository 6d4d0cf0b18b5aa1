# SPDX-License-Identifier: GPL-2.0-only
"""The stages in which mutants are tried: kernels, machines, and tests in their order."""
from tce import module
from tce.kunit import cases


class Stage:
    """A kernel, a machine, and tests in the order in which they are tried."""

    def __init__(self, name: str, kernel: str, machine: str, kind: str, steps: list[str]) -> None:
        self.name, self.kernel, self.machine, self.kind, self.steps = name, kernel, machine, kind, steps

    def module(self) -> str:
        return module.NAME if self.kind == "selftest" else module.SUITES


SUITES = sorted(cases.listed())
# Where locks and memory that is gone matter most, all suites of these.
CHECKED = ("tce_group", "tce_kvm", "tce_memory", "tce_range", "tce_threads", "tce_window")
STAGES = (
    Stage("kunit", "gcov-4k", "pseries", "kunit", [*SUITES, "leaks"]),
    Stage("kunit-64k", "gcov-64k", "powernv9", "kunit", [*SUITES, "leaks"]),
    Stage("kunit-checked", "kunit-6.12-64k", "powernv9", "kunit",
          [suite for suite in SUITES if suite.startswith(CHECKED)]),
    Stage("selftests", "gcov-4k", "powernv9", "selftest", ["abi", "memory", "windows", "dma", "groups", "eeh", "clients", "waits"]),
)


def with_lines(stage: Stage) -> Stage:
    """This stage, or one with gcov and pages of the same size: which cases run which
    lines is measured there."""
    return next(s for s in STAGES if s.kernel.startswith("gcov-") and s.kernel[-3:] == stage.kernel[-3:])
