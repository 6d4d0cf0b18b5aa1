# SPDX-License-Identifier: GPL-2.0-only
"""What a guest boots with: programs, modules of its kernel, guest scripts, and what is asked
for."""
import argparse
import lzma
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from harness import module
from harness.cli import die, path_from
from harness.kernels import Kernel
from harness.paths import OUT, SCRIPTS
from harness.vm.machines import OFFERS

# Modules that every guest gets, with what they depend on.
MODULES = ["vfio-pci", module.NAME]


def module_files(kernel: Kernel, wanted: Iterable[str]) -> set[Path]:
    """The files of the wanted modules, and of what they depend on."""
    files = set()
    for name in wanted:
        done = subprocess.run(["modprobe", "-d", kernel["MODDIR"], "-S", kernel["KVER"],
                               "--show-depends", name],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if done.returncode:
            print(f"vm: note: the kernel has no module {name}", file=sys.stderr)
        files |= {Path(line.split()[1]) for line in done.stdout.splitlines()
                  if line.startswith("insmod ")}
    return files


def copy_module(source: Path, target: Path) -> None:
    """Copy a module, without its compression: saves the guest the (emulated) work."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".xz":
        target.with_suffix("").write_bytes(lzma.decompress(source.read_bytes()))
    else:
        shutil.copy2(source, target)


def stage(root: Path, kernel: Kernel, args: argparse.Namespace) -> None:
    """Put everything that the guest needs under root."""
    shutil.copytree(path_from("image/guest-programs", f"userland-{kernel['ENDIAN']}"), root,
                    symlinks=True)
    for sub in ("etc", "proc", "sys", "dev"):
        (root / sub).mkdir()
    (root / "etc/passwd").write_text("root::0:0:root:/root:/bin/sh\n"
                                     "nobody::65534:65534:nobody:/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root::0:\nnogroup::65534:\n")

    source = Path(kernel["MODDIR"]) / "lib/modules" / kernel["KVER"]
    target = root / "lib/modules" / kernel["KVER"]
    (target / "updates").mkdir(parents=True)
    # whose host driver is a module of the same name
    of_devices = {"e1000e"} & set("/".join(args.device).split("/"))
    for file in module_files(kernel, [*MODULES, *args.module, *of_devices]):
        copy_module(file, target / file.relative_to(source))
    for index in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        if (source / index).exists():
            shutil.copy2(source / index, target / index)
    if args.driver == "ours":
        ours = Path(args.ko) if args.ko else OUT / args.kernel / module.KO
        if not ours.exists():
            die(f"{ours} is not built: run scripts/image/build-module {args.kernel}")
        # By the name that modprobe looks for, whatever --ko calls it.
        shutil.copy2(ours, target / "updates" / module.KO)
    # The kernel's own driver needs it too.
    iommu_ops = OUT / args.kernel / f"{module.IOMMU_OPS}.ko"
    if iommu_ops.exists():
        shutil.copy2(iommu_ops, target / "updates")
    subprocess.run(["depmod", "-b", root, kernel["KVER"]], check=True)
    stage_scripts(root, args)


def stage_scripts(root: Path, args: argparse.Namespace) -> None:
    """The guest scripts, and the files that were asked for."""
    (root / "guest").mkdir(parents=True)
    for script in (SCRIPTS / "guest").iterdir():
        shutil.copy2(script, root / "guest")
    (root / "guest/init").rename(root / "init")
    (root / "init").chmod(0o755)
    env = [f"TCE_DRIVER={args.driver}", f"TCE_MACHINE={args.machine}", f"TCE_RUN={args.run}",
           f"TCE_OFFERS='{OFFERS[args.machine]}'", f"TCE_ARGS={shlex.quote(' '.join(args.arg))}"]
    (root / "guest/env").write_text("\n".join(env + args.env) + "\n")
    for pair in args.file:
        src, _, name = pair.partition(":")
        dst = root / (name or src).lstrip("/")
        dst.parent.mkdir(parents=True, exist_ok=True)
        if os.path.isdir(src):
            shutil.copytree(src, dst, symlinks=True, dirs_exist_ok=True)
        elif os.path.exists(src):
            shutil.copy2(src, dst)
        else:
            die(f"--file {src}: no such file")


def cpio(root: Path, out: Path) -> None:
    """Pack the tree for the kernel; everything belongs to root. An emulated processor would be long
    at unpacking it."""
    command = ["bash", "-o", "pipefail", "-c", "find . | cpio -o -H newc -R 0:0 --quiet"]
    with out.open("wb") as file:
        subprocess.run(command, cwd=root, stdout=file, check=True)
