# SPDX-License-Identifier: GPL-2.0-only
"""Mutants as modules: built once by Kbuild, then object by object with the commands that it used."""
import concurrent.futures
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tce import kernels, module, paths
from tce.cli import die
from tce.kernels import Kernel
from tce.kunit import build as suites
from tce.mutation.mutants import Mutant, digest
from tce.paths import ROOT

OUT = paths.OUT / "mutation"


def kept_build(name: str, kernel: Kernel, out: Path, more: Iterable[str] = ()) -> Path:
    """kunit.build(), unless that was done before with the same sources."""
    version = digest(*module.sources(), *sorted((ROOT / "kunit").iterdir()), kernel["KDIR"], *more)
    stamp = out / "built"
    if not (stamp.exists() and stamp.read_text() == version):
        stamp.unlink(missing_ok=True)
        suites.build(name, kernel, out=out, more=more)
        stamp.write_text(version)
    return out / "build"


class Build:
    """The modules for one kernel: built once by Kbuild, then object by object with the
    commands that Kbuild used."""

    def __init__(self, name: str) -> None:
        self.kernel = kernels.env(name)
        self.out = OUT / name
        self.base = kept_build(name, self.kernel, self.out)
        self.kdir = self.kernel["KDIR"]

    def saved(self, target: str) -> str:
        """The command that made a file."""
        path = self.base / target
        text = (path.parent / f".{path.name}.cmd").read_text()
        return str(re.findall(r"^savedcmd_\S+ := (.*)", text)[0]).strip()

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", command], cwd=self.kdir, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)

    def compile(self, file: str, text: str, where: Path) -> Path | None:
        """An object of changed source, or None if it does not compile."""
        where.mkdir(parents=True, exist_ok=True)
        obj = where / module.OBJECTS[file]
        stamp = where / "source"
        version = digest(text, self.kdir, *module.headers())
        if obj.exists() and stamp.exists() and stamp.read_text() == version:
            return obj      # from a run before
        # The same names in it, so that equal code makes equal objects.
        (where / file).write_text(f'#line 1 "{self.base / file}"\n{text}')
        command = re.sub(r"-Wp,-MMD,\S+", f"-iquote {self.base}", self.saved(obj.name))
        command = command.replace(str(self.base / obj.name), str(obj))
        command = command.replace(f"-c -o {obj} {self.base / file}", f"-c -o {obj} {where / file}")
        done = self.run(command)
        (where / "log").write_text(done.stdout)
        if done.returncode:
            return None
        stamp.write_text(version)
        return obj

    def link(self, name: str, obj: Path, ko: Path) -> None:
        """A module with one object exchanged."""
        whole = ko.with_suffix(".o")
        objects = (self.base / f"{name}.mod").read_text().replace(
            str(self.base / obj.name) + "\n", f"{obj}\n")
        listing = ko.with_suffix(".mod")
        listing.write_text(objects)
        link = self.saved(f"{name}.o").replace(f"@{self.base / name}.mod", f"@{listing}")
        link = link.replace(f"-o {self.base / name}.o", f"-o {whole}")
        final = self.saved(f"{name}.ko").replace(f"{self.base / name}.ko", str(ko))
        final = final.replace(f"{self.base / name}.o", str(whole))
        strip = f"{self.kernel['CROSS_COMPILE']}strip --strip-debug {ko}"
        done = self.run(f"{link} && {final} && {strip}")
        whole.unlink(missing_ok=True)
        listing.unlink(missing_ok=True)
        if done.returncode:
            die(f"{ko.name} cannot be linked:\n{done.stdout}")

    def make(self, mutants: Iterable[Mutant], name: str, jobs: int) -> dict[Mutant, Path | str]:
        """Build the mutants; returns {mutant: its module, "same" or "broken"}."""
        top = self.out / "mutants"
        plain: dict[str, bytes] = {}
        for file in module.OBJECTS:
            good = self.compile(file, (ROOT / file).read_text(), top / "plain")
            if not good:
                die(f"{file} does not compile as it is: see {top}/plain/log")
            plain[file] = good.read_bytes()

        def one(mutant: Mutant) -> Path | str:
            where = top / mutant.id
            ko = where / f"{name}.ko"
            obj = self.compile(mutant.file, mutant.text, where)
            if not obj:
                return "broken"
            if obj.read_bytes() == plain[mutant.file]:
                return "same"
            self.link(name, obj, ko)
            return ko

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            return dict(zip(mutants, pool.map(one, mutants)))
