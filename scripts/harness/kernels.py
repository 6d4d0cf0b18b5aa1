# SPDX-License-Identifier: GPL-2.0-only
"""The kernels: the rows of kernels.conf and of source trees, and what scripts/image/fetch-kernel
knows about each."""
import subprocess
from pathlib import Path

from harness.cli import die, path_from
from harness.paths import IMAGE, OUT, SCRIPTS

Kernel = dict[str, str]


def rows() -> dict[str, list[str]]:
    """{name: the other columns of its row}, also of source trees, which build-kernel --tree has
    added"""
    files = [file for file in (IMAGE / "kernels.conf", OUT / "kernels.conf") if file.exists()]
    lines = [line.split() for file in files for line in file.read_text().splitlines()
             if line[:1] not in ("", "#")]
    return {name: columns for name, *columns in lines}


def fragments(name: str) -> list[str]:
    """Those of a kernel's configuration; none of one that is not built here."""
    row = rows().get(name, ["debian"])
    return [] if row[0] == "debian" else row[3].split(",")


def read(file: Path) -> Kernel:
    """What fetch-kernel has written about a kernel."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def env(name: str) -> Kernel:
    """The same, of a kernel that is fetched if it is not there."""
    return read(path_from("image/fetch-kernel", name))


def build_modules(kernel: Kernel, directory: Path, *more: str) -> None:
    """Build those of a directory, where all that compilers leave stays. @more: for make"""
    chroot = [str(SCRIPTS / "image/newest-debian")] if kernel["TOOLCHAIN"] == "sid" else []
    done = subprocess.run([*chroot, "make", "-s", "-C", kernel["KDIR"], f"M={directory}",
                           f"ARCH={kernel['ARCH']}", f"CROSS_COMPILE={kernel['CROSS_COMPILE']}",
                           kernel["COMPILER"], *more, "modules"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        die(f"{directory} does not build: {done.stdout}")
