# SPDX-License-Identifier: GPL-2.0-only
"""The driver as a part of a kernel's source: drivers/vfio/spapr_tce/ instead of the kernel's own file.

It is made of the same files. compat/ is for kernels older than such a source, so all of it is taken
out: the includes, and the calls of functions that do nothing on new kernels.
"""
import os
import re
from collections.abc import Mapping
from pathlib import Path

from tce import kernels, module
from tce.cli import die, parser
from tce.paths import DATA, ROOT

VFIO = "drivers/vfio"
PLACE = f"{VFIO}/spapr_tce"
OLD = f"{VFIO}/{module.NAME}.c"


class Refused(Exception):
    """Why a tree, or what is here, can't be made use of."""


def no_ops(headers: Mapping[str, str]) -> dict[str, str]:
    """The functions of compat/ that do nothing on new kernels: {name: its type}"""
    inline = r"^static inline\s(void|int)\s(\w+)\([^)]*\)\s*\{\s*([^}]*?)\s*\}"
    return {name: kind for text in headers.values() for kind, name, body in re.findall(inline, text, re.M)
            if body == {"void": "", "int": "return 0;"}[kind]}


def without_compat(name: str, text: str, headers: Mapping[str, str]) -> str:
    """A file without compat/; @name: where in PLACE it will be."""
    # What compat/vfio_ops.h restates of the kernel is had from the kernel.
    text = re.sub(r'^#include "(?:\.\./)*compat/vfio_ops.h"$', f'#include "{"../" * (name.count("/") + 1)}vfio.h"', text, flags=re.M)
    text = re.sub(r'^#include "(?:\.\./)*compat/[^"]+"\n', "", text, flags=re.M)
    text = re.sub(r"\n{3,}", "\n\n", text)
    for function, kind in no_ops(headers).items():
        call = rf"{function}\([^();]*\)"
        text = re.sub(rf"^\t+{call};\n", "", text, flags=re.M)
        if kind == "int":
            text = re.sub(rf"TCE_REFUSE_BY\(\w+,\s+{call}\);", "0;", text)
            text = re.sub(rf"^\t+if \({call}\)\n\t+return [^;]+;\n", "", text, flags=re.M)
    # The others that compat/ has are the kernel's, by their names.
    own = re.findall(r"\b((?:spapr_)?tce_\w+)\(", "".join(headers.values()))
    if left := re.search(rf".*\b(?:{'|'.join([*own, 'compat'])})\b.*", text):
        raise Refused(f"{name}: something of compat/ is left: {left[0].strip()}")
    return text


def statements(makefile: str, wanted: str) -> str:
    """The statements that begin so, each with its continuations."""
    return "".join(re.findall(rf"^(?:{wanted})(?:.*\\\n)*.*\n", makefile, re.M)).rstrip()


def kunitconfig() -> str:
    """For kunit.py: that of the row into-tree-kunit. What is said last of an option holds."""
    options: dict[str, str] = {}
    for fragment in kernels.fragments("into-tree-kunit"):
        for line in (DATA / "configs" / f"{fragment}.config").read_text().splitlines():
            if match := re.match(r"(?:# )?(CONFIG_\w+)(?:=| is not set)", line):
                options[match[1]] = line
    return "\n".join(["# For kunit.py", *options.values()]) + "\n"


def driver(root: Path) -> dict[str, str]:
    """All of PLACE: {path in the tree: text}"""
    headers = {path.name: path.read_text() for path in root.glob("compat/*.h")}
    kbuild = (root / "Kbuild").read_text()
    sources = {source: obj.replace(".o", ".c") for obj, source in module.objects(kbuild).items()}
    names = [*root.glob("*.h"), *root.glob("kunit/*.[ch]")]
    sources |= {name: name for name in (str(path.relative_to(root)) for path in names) if not name.endswith(".mod.c")}
    files = {name: without_compat(name, (root / source).read_text(), headers) for source, name in sources.items()}
    files["Kconfig"] = (DATA / "into-tree/Kconfig").read_text()
    files["Makefile"] = (DATA / "into-tree/Makefile").read_text() \
        .replace("@rooms@", statements(kbuild, rf"{module.NAME}-|CFLAGS_")) \
        .replace("@suites@", statements((root / "kunit/Kbuild.include").read_text(), "tce-kunit-"))
    files[".kunitconfig"] = kunitconfig()
    return {f"{PLACE}/{name}": text for name, text in files.items()}


def edits(tree: Path) -> dict[str, str]:
    """The kernel's own files that change."""
    option = "config VFIO_IOMMU_SPAPR_TCE\n\ttristate\n\tdepends on SPAPR_TCE_IOMMU\n\tdefault VFIO\n"
    obj = "obj-$(CONFIG_VFIO_IOMMU_SPAPR_TCE) += "
    files = {}
    for name, old, new in ((f"{VFIO}/Kconfig", option, f'{option}\nsource "{PLACE}/Kconfig"\n'),
                           (f"{VFIO}/Makefile", f"{obj}{module.NAME}.o\n", f"{obj}spapr_tce/\n"),
                           ("MAINTAINERS", f"\t{OLD}\n", f"\t{PLACE}/\n")):
        text = (tree / name).read_text(encoding="utf-8")
        if new not in text and text.count(old) != 1:
            raise Refused(f"is no source that is known here: {name} does not say, once, {old.strip().splitlines()[0]!r}")
        files[name] = text if new in text else text.replace(old, new)
    return files


def result(tree: Path, root: Path = ROOT) -> dict[str, str]:
    """The files that a kernel's source has to have: {path: text}"""
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL) = (\d+)$", (tree / "Makefile").read_text(), re.M))
    if int(found.get("VERSION", 0)) < 7:
        raise Refused("is no source of Linux 7.0 or newer")
    if "struct vfio_iommu_driver_ops {" not in (tree / VFIO / "vfio.h").read_text():
        raise Refused(f"is no source that is known here: {VFIO}/vfio.h has no struct vfio_iommu_driver_ops")
    return edits(tree) | driver(root)


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("tree", metavar="LINUX", type=Path, help="the top directory of the source")
    tree = p.parse_args().tree
    try:
        wanted = result(tree)
    except (Refused, OSError, UnicodeDecodeError) as error:
        die(f"{tree}: {error}; nothing was changed")
    for path in [tree / OLD, *(tree / PLACE).glob("**/*.[ch]")]:
        if str(path.relative_to(tree)) not in wanted and not path.name.endswith(".mod.c"):
            path.unlink(missing_ok=True)
    changed = {name: text for name, text in wanted.items()
               if not (tree / name).exists() or (tree / name).read_text(encoding="utf-8") != text}
    for name, text in changed.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        # Replaced, not written to: the file may have another name in another copy of the source.
        new = (tree / name).with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, tree / name)
    print(f">> into-tree: {len(changed)} files written in {tree}")
    return 0
