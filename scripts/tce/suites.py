# SPDX-License-Identifier: GPL-2.0-only
"""The module and its suites, built for one kernel."""
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from tce import kernels, module
from tce.cli import die
from tce.kernels import Kernel
from tce.paths import OUT, ROOT


def lock(name: str) -> TextIO:
    """Keep others from building in out/kunit/NAME until this program ends."""
    (OUT / "kunit" / name).mkdir(parents=True, exist_ok=True)
    file = open(OUT / "kunit" / name / "lock", "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def build(name: str, kernel: Kernel, sources: Path = ROOT, out: Path | None = None, more: Iterable[str] = ()) -> Path:
    """Build the driver and the suites' module; returns the directory they are in."""
    out = out or OUT / "kunit" / name
    module.copy(out / "build", "kunit", root=sources)
    command = kernels.make(kernel, out / "build", f"-j{os.cpu_count()}", "TCE_KUNIT=1", *more)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (out / "build.log").write_text(done.stdout)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        die(f"the suites do not build for {name}")
    for line in done.stdout.splitlines():
        if not re.search("compiler differs|The kernel was built by|You are using|Skipping BTF", line):
            print(line, file=sys.stderr)
    check_wrapped(out / "build", kernel)
    return out / "build"


def check_wrapped(build_dir: Path, kernel: Kernel) -> None:
    """A function that pins memory or does EEH must not get past the suites."""
    done = subprocess.run([kernel["CROSS_COMPILE"] + "nm", "-u",
                           build_dir / module.KO],
                          stdout=subprocess.PIPE, text=True, check=True)
    called = set(re.findall(r"U (\S*(?:pin_user|mm_iommu_|eeh_|vfio_)\S*)", done.stdout))
    text = (build_dir / "kunit/Kbuild.include").read_text().replace("\\\n", " ")
    wrapped = set(re.findall(r"^tce-kunit-wrap := (.*)$", text, re.M)[0].split())
    # These only read.
    called -= {"mm_iommu_ua_to_hpa", "mm_iommu_lookup", "eeh_subsystem_flags"}
    if called - wrapped:
        die(f"the suites do not see the driver call {', '.join(sorted(called - wrapped))}")
