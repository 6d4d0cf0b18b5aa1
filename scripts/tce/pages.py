# SPDX-License-Identifier: GPL-2.0-only
"""The documents and the API as HTML."""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tce import paths
from tce.cli import die, path_from
from tce.paths import ROOT

OUT = paths.OUT / "docs"
SOURCE = OUT / "source"

DOCUMENTS = ("*.md", "Documentation/*", "Documentation/style/*", "kunit/*.rst", "selftests/*.md")


def files(patterns: Iterable[str]) -> list[Path]:
    """The files of the tree, by what git knows, that match."""
    done = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *(f":(glob){p}" for p in patterns)],
                          cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [Path(name) for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def api(sources: Iterable[Path]) -> str:
    """The page with the kernel-doc comments of these files. A header may have a second version of a function."""
    parts, seen = [title("API", "="), "The structures of each file, and the functions that other files use.\n"], set[str]()
    for source in sources:
        names = re.findall(r"^/\*\*\n \* (?:\w+ )*?(\w+)(?:\(\))? - ", (ROOT / source).read_text(encoding="utf-8"), re.M)
        if not set(names) <= seen:
            parts.append(f"{title(str(source), '-')}\n.. kernel-doc:: {source}\n   :no-identifiers: {' '.join(seen & {*names})}\n")
        seen |= {*names}
    return "\n".join(parts)


def build(source: Path, out: Path, linux: Path | None = None) -> str:
    """Make the pages below @out/html: what Sphinx complained about, "" if nothing."""
    # The kernel's own directive "kernel-doc", for conf.py
    environ = {**os.environ, "srctree": str(ROOT), "PYTHONPATH": str(linux / "Documentation/sphinx"),
               "KERNEL_DOC": str(linux / "scripts/kernel-doc")} if linux else None
    done = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", source / "Documentation",
                           "-d", out / "doctrees", source, out / "html"], env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # It says some things once for each page.
    said = "\n".join(dict.fromkeys(done.stdout.replace(f"{source}/", "").splitlines()))
    return said or ("it failed" if done.returncode else "")


def main(doc: str) -> int:
    if len(sys.argv) > 1:
        print(doc, file=sys.stderr)
        return 2
    if not importlib.util.find_spec("sphinx") or not importlib.util.find_spec("myst_parser"):
        die("there is no Sphinx, or no MyST: scripts/setup-host installs them")
    linux = path_from("build-kernel", "--source", "6.12-be")
    shutil.rmtree(OUT, ignore_errors=True)
    documents, sources = files(DOCUMENTS), sorted(files(("*.[ch]",)), key=lambda path: path.suffix)
    for name in documents:
        (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, SOURCE / name)
    (SOURCE / "generated").mkdir()
    (SOURCE / "generated/api.rst").write_text(api(sources), encoding="utf-8")
    said = build(SOURCE, OUT, linux)
    if said:
        print(f"{said}\n>> docs: Sphinx complained")
        return 1
    (OUT / "html/index.html").write_text('<!doctype html><title>vfio_iommu_spapr_tce</title>'
                                         '<meta http-equiv="refresh" content="0; url=Documentation/index.html">\n')
    print(f">> docs: {len(documents)} files, the API of {len(sources)} more: out/docs/html/index.html")
    return 0
