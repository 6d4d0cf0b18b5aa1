# SPDX-License-Identifier: GPL-2.0-only
"""Make the packages, or check them."""
import filecmp
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tce import paths
from tce.cli import output, parser
from tce.dist import build
from tce.dist.compare import contents, differences

OUT = paths.OUT / "dist"

# (name, what is wrong)
Verdict = tuple[str, list[str]]


def lintian(files: list[Path]) -> list[str]:
    """What lintian has to say; it is silent if all is well."""
    changes = [file for file in files if file.suffix == ".changes"]
    done = subprocess.run(["lintian", "--allow-root", "--display-info", "--fail-on", "error,warning,info", *changes],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [line for line in done.stdout.splitlines() if line] or ["it failed"] * bool(done.returncode or not changes)


def rpmlint(files: list[Path]) -> list[str]:
    """What rpmlint has to say of the packages and of how they are described."""
    files = [*files, paths.ROOT / build.SPEC]
    done = subprocess.run(["rpmlint", "--config", paths.ROOT / "rpm/rpmlint.toml", *files],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return judge_rpmlint(done.stdout, len(files), done.returncode)


def judge_rpmlint(text: str, files: int, code: int) -> list[str]:
    """Nothing, if its last line says that it has looked at all files and found nothing."""
    m = re.search(r"(\d+) packages? and 1 specfiles? checked; (\d+) errors?, (\d+) warnings?", text)
    if m and not code and files > 1 and m.groups() == (str(files - 1), "0", "0"):
        return []
    return [line for line in text.splitlines() if re.search(r": [EW]: ", line)] or text.splitlines()[-5:] or ["it said nothing"]


def builds(source: Path) -> list[str]:
    """Is all that DKMS needs in the package? Build the module out of it, for one kernel."""
    env = output("fetch-kernel", "6.12-4k")
    script = 'source "$1"; make -s -C "$KDIR" "M=$2" "ARCH=$ARCH" "CROSS_COMPILE=$CROSS_COMPILE" "$COMPILER" "-j$(nproc)" modules'
    done = subprocess.run(["bash", "-euc", script, "bash", env, source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    module = source / "vfio_iommu_spapr_tce.ko"
    if done.returncode or not module.exists():
        return done.stdout.splitlines()[-10:] or ["there is no module"]
    said = subprocess.run(["/sbin/modinfo", "-F", "version", module], stdout=subprocess.PIPE, text=True).stdout.strip()
    return [] if said == build.version() else [f"the module's version is {said}"]


def same(first: list[Path], second: list[Path]) -> list[str]:
    """Which files of two builds differ? Those that tell of the build itself are left out."""
    told = (".buildinfo", ".changes")
    names = {file.name for file in (*first, *second) if file.suffix not in told}
    if not names:
        return ["nothing was built"]
    one, other = ({file.name: file for file in files} for files in (first, second))
    return [f"{name} differs" for name in sorted(names)
            if name not in one or name not in other or not filecmp.cmp(one[name], other[name], shallow=False)]


def make_all(out: Path) -> list[Path]:
    tarball = build.dist(out)
    return [tarball, *build.deb(tarball), *build.rpm(tarball)]


def elsewhere(work: Path) -> list[Path]:
    """Build all of it again, in another place, in another zone, and with another user's habits."""
    os.environ.update(TZ="Pacific/Chatham", LANG="tr_TR.UTF-8", HOME=str(work))
    os.umask(0o077)
    return make_all(work / "elsewhere")


def check(files: list[Path], work: Path) -> Iterator[Verdict]:
    yield "lintian", lintian(files)
    rpms = [file for file in files if file.suffix == ".rpm"]
    yield "rpmlint", rpmlint(rpms)
    for part in ("dkms", "tools"):
        debs = [file for file in files if re.fullmatch(rf"{build.NAME}-{part}_.*\.deb", file.name)]
        ours = [file for file in rpms if file.name.startswith(f"{build.NAME}-{part}-")]
        yield (f"{part}: the same in .deb and .rpm",
               differences(contents(debs[0]), contents(ours[0])) if len(debs) == len(ours) == 1 else ["there is not one of each"])
        if part == "dkms":
            subprocess.run(["dpkg-deb", "-x", debs[0], work], check=True)
    yield "the module builds from the package", builds(work / f"usr/src/{build.NAME}-{build.version()}")
    yield "a second build has the same bytes", same(files, elsewhere(work))


def checked(verdicts: Iterator[Verdict]) -> int:
    """Print the verdicts: the exit code."""
    passed = failed = 0
    start = time.monotonic()
    for name, wrong in verdicts:
        took, start = time.monotonic() - start, time.monotonic()
        print(f"{'FAIL' if wrong else 'ok  '} {took:5.1f} s  {name}", flush=True)
        for line in wrong:
            print(f"         {line}")
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f">> package: {passed} passed, {failed} failed, 0 skipped")
    return 0 if passed and not failed else 1


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("what", choices=("dist", "deb", "rpm", "check"))
    what = p.parse_args().what
    if what == "check":
        shutil.rmtree(OUT, ignore_errors=True)
        with tempfile.TemporaryDirectory() as work:
            return checked(check(make_all(OUT), Path(work)))
    tarball = build.dist(OUT)
    for file in {"dist": lambda file: [file], "deb": build.deb, "rpm": build.rpm}[what](tarball):
        print(file.relative_to(paths.ROOT))
    return 0
