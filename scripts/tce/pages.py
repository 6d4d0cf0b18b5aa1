# SPDX-License-Identifier: GPL-2.0-only
"""The documents and the API as HTML."""
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tce import paths
from tce.cli import die, output, path_from
from tce.paths import ROOT

OUT = paths.OUT / "docs"
SOURCE, HTML = OUT / "source", OUT / "html"

# Of make check: name, kernel, machine, seconds
Step = tuple[str, str, str, int | None]

DOCUMENTS = ("*.md", "Documentation/*", "Documentation/style/*", "kunit/*.rst", "selftests/*.md")
MODULE = ("*.[ch]", "compat/*.[ch]")

# One object of the C domain in what kernel-doc prints.
OBJECT = re.compile(r"^\.\. c:(\w+):: (.*)$", re.M)
HEAD = re.compile(r"\A(?:(?://[^\n]*|/\*[^\n]*?\*/)\n)*/\*\n(.*?)\*/", re.S)


def files(patterns: Iterable[str]) -> list[Path]:
    """The files of the tree, by what git knows, that match."""
    done = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT,
                          stdout=subprocess.PIPE, text=True, check=True)
    names = [Path(name) for name in done.stdout.split("\0") if name]
    return sorted(name for name in names if (ROOT / name).is_file() and
                  any(name.match(pattern) and len(name.parts) == len(Path(pattern).parts) for pattern in patterns))


def title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def head_comment(text: str) -> str:
    """What a C file says about itself at its top, as a literal block."""
    m = HEAD.match(text)
    if not m:
        return ""
    lines = [re.sub(r"^ \* ?", "", line.expandtabs(8)).rstrip() for line in m[1].rstrip().splitlines()]
    return "::\n\n" + "".join(f"   {line}".rstrip() + "\n" for line in lines) + "\n"


def objects(text: str) -> Iterator[tuple[str, str]]:
    """What kernel-doc has printed, as (name, its description)."""
    starts = [m.start() for m in OBJECT.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)]):
        m = OBJECT.match(text, start)
        assert m
        yield m[2], text[start:end]


def api(kernel_doc: Path) -> list[str] | None:
    """Pages of the API, one for each file: the list of them, or None if kernel-doc complained."""
    pages: dict[Path, tuple[str, str]] = {}
    seen: set[str] = set()
    good = True
    for path in files(MODULE):
        done = subprocess.run(["perl", kernel_doc, "-rst", "-sphinx-version", "5.3.0", "-Wall", path], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # A file without such comments may still say something at its top.
        complaints = [line for line in done.stderr.splitlines() if "no structured comments found" not in line]
        if complaints:
            print("\n".join(complaints))
            good = False
        # A header may have a second version of a function, for kernels that lack something.
        new = [text for name, text in objects(done.stdout) if name not in seen]
        seen |= {name for name, _ in objects(done.stdout)}
        about = head_comment((ROOT / path).read_text(encoding="utf-8"))
        if new or about:
            pages[path] = about, "".join(new)
    if not seen:
        die("no file of the module has a kernel-doc comment, which can't be")
    functions = {m[1] for name in seen if (m := re.search(r"(\w+) ?\(", name))}
    for path, (about, text) in pages.items():
        text = re.sub(r"(?<![`\w])(\w+)\(\)(?!`)", lambda m: f":c:func:`{m[1]}`" if m[1] in functions else m[0], text)
        (SOURCE / f"generated/{page(path)}.rst").write_text(title(str(path)) + about + text, encoding="utf-8")
    return [page(path) for path in pages] if good else None


def page(path: Path) -> str:
    return f"api-{str(path).replace('/', '-')}"


def steps() -> list[Step]:
    """The steps of make check: (name, kernel, machine, seconds or None)"""
    rows: list[Step] = []
    for line in output("check", "--list").splitlines():
        name, _, command = line.partition("  ")
        words = command.split()
        kernels = [word for word in (*name.split(), *words) if re.fullmatch(r"(?:[a-z]+-)?\d+\.\d+-\w+", word)]
        machines = [word for word in (*name.split(), *words) if re.fullmatch(r"(?:powernv|pseries)[\w-]*", word)]
        took = paths.OUT / "check" / (re.sub(r"[^\w.-]+", "-", name) + ".seconds")
        rows.append((name, kernels[0] if kernels else "", machines[0] if machines else "",
                     int(took.read_text()) if took.exists() else None))
    if not rows:
        die("make check has no steps, which can't be")
    return rows


def step_page(rows: list[Step]) -> str:
    lines = [title("The steps of make check"),
             "``scripts/check --list`` prints them with their commands. The time is that of the last run on the\n"
             "machine that built this page, beside other steps. ``scripts/check NAME`` runs one of them. A\n"
             "dash: no kernel or machine, or several.\n\n",
             ".. list-table::\n   :header-rows: 1\n\n"]
    for row in (("step", "kernel", "machine", "minutes"),
                *((name, kernel, machine, "not run here" if took is None else f"{took / 60:.1f}")
                  for name, kernel, machine, took in rows)):
        lines.append("   * - " + "\n     - ".join(cell or "\\-" for cell in row) + "\n")
    return "".join(lines)


def build(source: Path, out: Path) -> str:
    """Make the pages below @out/html: what Sphinx complained about, "" if nothing."""
    done = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", source / "Documentation",
                           "-d", out / "doctrees", source, out / "html"],
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
    kernel = path_from("build-kernel", "--source", "6.12-be")
    shutil.rmtree(OUT, ignore_errors=True)
    for name in files(DOCUMENTS):
        (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, SOURCE / name)
    (SOURCE / "generated").mkdir()
    pages = api(kernel / "scripts/kernel-doc")
    if pages is None:
        print(">> docs: kernel-doc complained")
        return 1
    (SOURCE / "generated/api.rst").write_text(
        title("API") + "Each file with what it says of itself, its structures, and the functions that others use.\n\n"
        ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in pages), encoding="utf-8")
    rows = steps()
    (SOURCE / "generated/steps.rst").write_text(step_page(rows), encoding="utf-8")
    said = build(SOURCE, OUT)
    if said:
        print(said)
        print(">> docs: Sphinx complained")
        return 1
    (HTML / "index.html").write_text('<!doctype html><title>vfio_iommu_spapr_tce</title>'
                                     '<meta http-equiv="refresh" content="0; url=Documentation/index.html">\n')
    print(f">> docs: {len(files(('*.md', '*/*.md', '*/*.rst')))} documents, {len(pages)} files of the API, {len(rows)} steps of"
          f" make check: out/docs/html/index.html")
    return 0

