# SPDX-License-Identifier: GPL-2.0-only
"""Mutants as modules: built once by Kbuild, then object by object with the commands that it used."""
import concurrent.futures
import re
import subprocess
from collections.abc import Iterable, Sequence
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

    def users(self, file: str) -> list[str]:
        """The C files whose objects a source is a part of, as Kbuild has noted."""
        found = [name for name, obj in module.OBJECTS.items()
                 if str(self.base / file) in (self.base / f".{obj}.cmd").read_text().split()]
        if not found:
            die(f"{file} is a part of no object for {self.kernel['KDIR']}")
        return found

    def lay_out(self, where: Path, file: str, text: str) -> None:
        """All sources, one of them changed: a header is found beside whoever includes it.
        They keep their names, so that equal code makes equal objects."""
        for path in [*module.headers(ROOT)[1:], *(ROOT / name for name in module.OBJECTS)]:
            name = str(path.relative_to(ROOT))
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            (where / name).write_text(f'#line 1 "{self.base / name}"\n{text if name == file else path.read_text()}')

    def compile(self, where: Path, names: Sequence[str], file: str = "", text: str = "") -> list[Path] | None:
        """The objects of some C files, with one source changed, or None if one does not compile."""
        objects = [where / module.OBJECTS[name] for name in names]
        stamp = where / "built"
        version = digest(text, self.kdir, *module.headers(ROOT), *(ROOT / name for name in names))
        if stamp.exists() and stamp.read_text() == version:
            return objects      # from a run before
        stamp.unlink(missing_ok=True)
        self.lay_out(where, file, text)
        for name, obj in zip(names, objects):
            command = re.sub(r"-Wp,-MMD,\S+", "", self.saved(obj.name))
            command = command.replace(str(self.base / obj.name), str(obj))
            command = command.replace(f"-c -o {obj} {self.base / name}", f"-c -o {obj} {where / name}")
            done = self.run(command)
            (where / "log").write_text(done.stdout)
            if done.returncode:
                return None
        stamp.write_text(version)
        return objects

    def link(self, name: str, objects: Iterable[Path], ko: Path) -> None:
        """A module with some objects exchanged."""
        whole = ko.with_suffix(".o")
        parts = (self.base / f"{name}.mod").read_text()
        for obj in objects:
            parts = parts.replace(f"{self.base / obj.name}\n", f"{obj}\n")
        listing = ko.with_suffix(".mod")
        listing.write_text(parts)
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

    def make(self, mutants: Sequence[Mutant], name: str, jobs: int) -> dict[Mutant, Path | str]:
        """Build the mutants; returns {mutant: its module, "same" or "broken"}."""
        top = self.out / "mutants"
        plain = self.compile(top / "plain", list(module.OBJECTS))
        if plain is None:
            die(f"the module does not compile as it is: see {top}/plain/log")
        good = {obj.name: obj.read_bytes() for obj in plain}

        def one(mutant: Mutant) -> Path | str:
            where = top / mutant.id
            ko = where / f"{name}.ko"
            objects = self.compile(where, self.users(mutant.file), mutant.file, mutant.text)
            if objects is None:
                return "broken"
            if all(obj.read_bytes() == good[obj.name] for obj in objects):
                return "same"
            self.link(name, objects, ko)
            return ko

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            return dict(zip(mutants, pool.map(one, mutants)))
