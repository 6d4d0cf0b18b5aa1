# SPDX-License-Identifier: GPL-2.0-only
"""Make the file of sources and the packages. The same commit gives the same bytes, with the same tools."""
import io
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tce.cli import die, say
from tce.paths import ROOT

NAME = "vfio-iommu-spapr-tce"
SPEC = f"rpm/{NAME}.spec"
MODULE = "vfio_iommu_spapr_tce.c"

# Files that have to repeat the module's version.
REPEATED = (
    ("dkms.conf", r'^PACKAGE_VERSION="(.*)"$'),
    ("compat/iommu_ops.c", r'^MODULE_VERSION\("(.*)"\);$'),
    ("CHANGELOG.md", r"^## (\S+)$"),
    ("debian/changelog", rf"^{NAME} \((.*)\) "),
    (SPEC, r"^Version: +(\S+)$"),
    (SPEC, r"^\* .* - (\S+)-\d+$"))


def version(root: Path = ROOT) -> str:
    """What the module says: the one place."""
    found = re.findall(r'^MODULE_VERSION\("(.*)"\);$', (root / MODULE).read_text(encoding="utf-8"), re.M)
    if len(found) != 1:
        die(f"{MODULE} has no MODULE_VERSION, or several")
    return str(found[0])


def other_versions(root: Path = ROOT) -> list[str]:
    """What the files say that repeat the version, and do not say the same."""
    right, wrong = version(root), []
    for name, pattern in REPEATED:
        m = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.M)
        if not m or m[1] != right:
            wrong.append(f"{name} says {m[1] if m else 'nothing'}, and {MODULE} {right}")
    return wrong


def git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode:
        die("this is no checkout of git. In what make dist has made: dpkg-buildpackage -us -uc -b, or rpmbuild -ta FILE")
    return done.stdout


def epoch() -> int:
    """The time that everything in the packages has: that of the last commit."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def archive(names: Iterable[str], root: Path, prefix: str, when: int) -> bytes:
    """A tar of these files; whoever has it, and however they lie on a disk."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(names):
            info = tarfile.TarInfo(f"{prefix}/{name}")
            info.mtime = when
            path = root / name
            if path.is_symlink():
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
                tar.addfile(info)
            else:
                data = path.read_bytes()
                info.size, info.mode = len(data), 0o755 if path.stat().st_mode & 0o100 else 0o644
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def dist(out: Path) -> Path:
    """The sources as one file: what git knows, as it is in this tree."""
    if wrong := other_versions():
        die("\n".join(["one version in all files, please:", *wrong]))
    names = [name for name in git("ls-files", "-z").split("\0") if name and (ROOT / name).exists()]
    if git("status", "--porcelain", "--untracked-files=no"):
        say("note: this tree has changes that are not committed; they are in it")
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{NAME}-{version()}.tar.xz"
    # rpm keeps the mode of its sources
    file.touch()
    file.chmod(0o644)
    file.write_bytes(lzma.compress(archive(names, ROOT, f"{NAME}-{version()}", epoch()), preset=6))
    return file


def run(argv: list[str | Path], cwd: Path, log: Path) -> None:
    """Run a tool that has much to say."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(epoch())}
    with log.open("w") as file:
        done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=env, umask=0o022)
    if done.returncode:
        print("\n".join(log.read_text(errors="replace").splitlines()[-20:]))
        die(f"{argv[0]} failed; all that it said: {log}")


def unpack(tarball: Path, where: Path) -> Path:
    subprocess.run(["tar", "-xf", tarball, "-C", where], umask=0o022, check=True)
    return where / tarball.name.removesuffix(".tar.xz")


def deb(tarball: Path) -> list[Path]:
    """Debian's packages, and their source, beside the file of sources."""
    out = tarball.parent
    with tempfile.TemporaryDirectory(dir=out) as tmp:
        # build-essential has a C++ compiler, which nothing here needs: so dpkg does not ask for it
        run(["dpkg-buildpackage", "--unsigned-source", "--unsigned-changes", "--no-check-builddeps"],
            unpack(tarball, Path(tmp)), out / "deb.log")
        return moved(Path(tmp).glob(f"{NAME}*_*"), out)


def rpm(tarball: Path) -> list[Path]:
    """Packages for Fedora and RHEL. A source package would have the paths of its build in it."""
    out = tarball.parent
    with tempfile.TemporaryDirectory(dir=out) as tmp:
        defines = (f"_topdir {tmp}", f"_dbpath {tmp}/db", "_buildhost localhost", "use_source_date_epoch_as_buildtime 1",
                   "clamp_mtime_to_source_date_epoch 1", "source_date_epoch_from_changelog 0",
                   # what Fedora's rpm and systemd-rpm-macros say; Debian's sh does not know all that brp-compress wants
                   "_udevrulesdir /usr/lib/udev/rules.d", "_sysusersdir /usr/lib/sysusers.d",
                   "_docdir /usr/share/doc", "__os_install_post bash /usr/lib/rpm/brp-compress")
        run(["rpmbuild", "-tb", "--nodeps", *(word for define in defines for word in ("--define", define)), tarball],
            out, out / "rpm.log")
        return moved(Path(tmp).glob("RPMS/*/*.rpm"), out)


def moved(files: Iterable[Path], out: Path) -> list[Path]:
    """Put the files into place: their new names."""
    result = [Path(shutil.copy(file, out)) for file in sorted(files) if file.is_file()]
    if not result:
        die("there is no package, which can't be")
    return result
