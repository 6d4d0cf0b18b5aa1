# SPDX-License-Identifier: GPL-2.0-only
"""A real Debian (scripts/debian-image) in place of a guest of ours. What it is to run is on its second disk."""
import argparse
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tce.vm.initramfs import stage_scripts

# What would be at apt's lock, or at the console
MASKED = ("serial-getty@hvc0.service", "apt-daily.timer", "apt-daily-upgrade.timer")
APPEND = "root=/dev/vda rw systemd.show_status=0 " + " ".join(f"systemd.mask={unit}" for unit in MASKED)

# The disks leave the first slots of a powernv9 or powernv10, which has six, to what is tested.
LAST_SLOTS = 4


def drives(disk: Path, more: Path, bus: int, keep: bool) -> list[str]:
    """QEMU arguments for its two disks, in two slots from this one on; with keep, what it writes is forgotten."""
    argv = []
    for n, file in enumerate((disk, more)):
        argv += ["-drive", f"file={file},format=raw,if=none,id=debian{n},cache=unsafe,snapshot={'on' if keep else 'off'}",
                 "-device", f"virtio-blk-pci,drive=debian{n},bus=pcie.{bus + n}"]
    return argv


def pack(out: Path, files: Mapping[str, Path | str]) -> None:
    """The second disk: {name there: file, directory, or a text}. It starts install.sh."""
    with tarfile.open(out, "w") as tar:
        for name, what in files.items():
            if isinstance(what, Path):
                tar.add(what, name)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(what)
                tar.addfile(info, io.BytesIO(what.encode()))


def stage(root: Path, args: argparse.Namespace) -> None:
    """What a guest script needs there, below root."""
    stage_scripts(root, args)
    (root / "init").rename(root / "install.sh")
