# SPDX-License-Identifier: GPL-2.0-only
"""The driver as a part of a kernel's source: drivers/vfio/spapr_tce/ instead of the kernel's own file.

It is made of the same files. compat/ is for kernels older than such a source, so all of it is taken
out: the includes, and the calls of functions that do nothing on new kernels.
"""
import difflib
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
OLDEST = (7, 0)
# The kernels.conf row whose configuration kunit.py is given
SUITES = "into-tree-kunit"

# Of a source: {path: text}. None: no such file.
Files = Mapping[str, str | None]


class Refused(Exception):
    """Why a tree, or what is here, can't be made use of."""


def no_ops(headers: Mapping[str, str]) -> dict[str, str]:
    """The functions of compat/ that do nothing on new kernels: {name: its type}"""
    found = {}
    for text in headers.values():
        for kind, name, body in re.findall(r"^static inline\s(void|int)\s(\w+)\([^)]*\)\s*\{\s*([^}]*?)\s*\}", text, re.M):
            if body == {"void": "", "int": "return 0;"}[kind]:
                found[name] = kind
    return found


def without_compat(name: str, text: str, headers: Mapping[str, str]) -> str:
    """A file without compat/; @name: where in PLACE it will be."""
    up = "../" * (name.count("/") + 1)

    def instead(match: re.Match[str]) -> str:
        if match[1] not in headers:
            raise Refused(f"{name}: includes compat/{match[1]}, which is not there")
        # What compat/ restates of the kernel is had from the kernel.
        return f'#include "{up}vfio.h"\n' if match[1] == "vfio_ops.h" else ""

    text = re.sub(r'^#include "(?:\.\./)*compat/([^"]+)"\n', instead, text, flags=re.M)
    text = re.sub(r"\n{3,}", "\n\n", text)
    for function, kind in no_ops(headers).items():
        call = rf"{function}\([^();]*\)"
        text = re.sub(rf"^\t+{call};\n", "", text, flags=re.M)
        if kind == "int":
            text = re.sub(rf"tce_refuse_by\(\w+,\s+{call}\);", "0;", text)
            text = re.sub(rf"^\t+if \({call}\)\n\t+return [^;]+;\n", "", text, flags=re.M)
    # The others that compat/ has are the kernel's, by their names.
    own = re.findall(r"\b((?:spapr_)?tce_\w+)\(", "".join(headers.values()))
    if left := re.search(rf".*\b(?:{'|'.join([*own, 'compat'])})\b.*", text):
        raise Refused(f"{name}: something of compat/ is left: {left[0].strip()}")
    return text


def statements(makefile: str) -> list[str]:
    """The lines of a makefile that are no comments, each with its continuations."""
    text = re.sub(r"^#.*\n", "", makefile, flags=re.M)
    return [found for found in re.findall(r"(?:.*\\\n)*.+", text) if found.strip()]


def chosen(name: str, makefile: str, wanted: str, known: str) -> str:
    """The statements of a makefile that are @wanted; what is not @known either is refused."""
    lines = []
    for statement in statements(makefile):
        if re.match(wanted, statement):
            lines.append(statement)
        elif not re.match(known, statement):
            raise Refused(f"{name} has a line that scripts/into-tree does not know: {statement}")
    return "\n".join(lines)


def makefile(root: Path) -> str:
    """That of PLACE: the objects are those of Kbuild and of kunit/Kbuild.include."""
    rooms = chosen("Kbuild", (root / "Kbuild").read_text(), rf"{module.NAME}-|CFLAGS_",
                   r"obj-m |\$\(obj\)/|\t\$\(call|if(eq|def) |endif$|spapr_tce_iommu_ops-y|include \$\(src\)/kunit/")
    suites = chosen("kunit/Kbuild.include", (root / "kunit/Kbuild.include").read_text(), r"tce-kunit-",
                    rf"obj-m |{module.SUITES}-y|LDFLAGS_")
    text = (DATA / "into-tree/Makefile").read_text()
    return text.replace("@rooms@", rooms).replace("@suites@", suites)


def kunitconfig() -> str:
    """The configuration for kunit.py: that of the row SUITES. What is said last of an option holds."""
    options: dict[str, str] = {}
    for fragment in kernels.fragments(SUITES):
        for line in (DATA / "configs" / f"{fragment}.config").read_text().splitlines():
            if match := re.match(r"(?:# )?(CONFIG_\w+)(?:=| is not set)", line):
                options[match[1]] = line
    return "\n".join(["# For kunit.py", *options.values()]) + "\n"


def driver(root: Path = ROOT) -> dict[str, str]:
    """All of PLACE: {path in the tree: text}"""
    headers = {path.name: path.read_text() for path in sorted(root.glob("compat/*.h"))}
    sources = {source: obj.replace(".o", ".c") for obj, source in module.objects((root / "Kbuild").read_text()).items()}
    sources |= {path.name: path.name for path in root.glob("*.h")}
    sources |= {name: name for path in root.glob("kunit/*.[ch]") if not (name := f"kunit/{path.name}").endswith(".mod.c")}
    files = {name: without_compat(name, (root / source).read_text(), headers) for source, name in sources.items()}
    files["Kconfig"] = (DATA / "into-tree/Kconfig").read_text()
    files["Makefile"] = makefile(root)
    files[".kunitconfig"] = kunitconfig()
    return {f"{PLACE}/{name}": text for name, text in sorted(files.items())}


def version(text: str) -> tuple[int, int]:
    """That of the kernel whose Makefile it is."""
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL) = (\d+)$", text, re.M))
    if len(found) < 2:
        raise Refused("is no source of a kernel: its Makefile has no VERSION")
    return int(found["VERSION"]), int(found["PATCHLEVEL"])


def replaced(name: str, text: str | None, old: str, new: str) -> str:
    """A file of the kernel with the one place changed, if it is not changed already."""
    text = text or ""
    if new in text:
        return text
    if text.count(old) != 1:
        raise Refused(f"is no source that is known here: {name} does not say, once, {old.strip().splitlines()[0]!r}")
    return text.replace(old, new)


def edits(have: Files) -> dict[str, str]:
    """What changes in the kernel's own files. @have: those of them that are there"""
    option = "config VFIO_IOMMU_SPAPR_TCE\n\ttristate\n\tdepends on SPAPR_TCE_IOMMU\n\tdefault VFIO\n"
    obj = "obj-$(CONFIG_VFIO_IOMMU_SPAPR_TCE) += "
    wanted = {f"{VFIO}/Kconfig": (option, f'{option}\nsource "{PLACE}/Kconfig"\n'),
              f"{VFIO}/Makefile": (f"{obj}{module.NAME}.o\n", f"{obj}spapr_tce/\n")}
    if f"\t{OLD}\n" in (have.get("MAINTAINERS") or ""):
        wanted["MAINTAINERS"] = (f"\t{OLD}\n", f"\t{PLACE}/\n")
    return {name: replaced(name, have.get(name), *change) for name, change in wanted.items()}


def read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def plan(tree: Path, root: Path = ROOT) -> tuple[Files, Files]:
    """The files of a kernel's source that change, before and after. Nothing is changed by that."""
    if not (tree / "Kbuild").is_file() or not (tree / VFIO).is_dir():
        raise Refused("is no source of a kernel")
    release = version(read(tree / "Makefile") or "")
    if release < OLDEST:
        raise Refused(f"is Linux {release[0]}.{release[1]}, which is too old: {OLDEST[0]}.{OLDEST[1]} or newer is wanted")
    if "struct vfio_iommu_driver_ops {" not in (read(tree / VFIO / "vfio.h") or ""):
        raise Refused(f"is no source that is known here: {VFIO}/vfio.h has no struct vfio_iommu_driver_ops")
    after: dict[str, str | None] = {OLD: None}
    # What an older version of the driver had
    after |= {str(path.relative_to(tree)): None for path in (tree / PLACE).glob("**/*.[ch]") if not path.name.endswith(".mod.c")}
    after |= edits({name: read(tree / name) for name in (f"{VFIO}/Kconfig", f"{VFIO}/Makefile", "MAINTAINERS")})
    after |= driver(root)
    before = {name: read(tree / name) for name in after}
    changed = [name for name in sorted(after) if before[name] != after[name]]
    return {name: before[name] for name in changed}, {name: after[name] for name in changed}


def patch(before: Files, after: Files) -> str:
    """The change, for git apply or patch -p1."""
    lines: list[str] = []
    for name, text in after.items():
        old = before[name]
        lines += [f"diff --git a/{name} b/{name}\n"]
        lines += ["new file mode 100644\n"] if old is None else ["deleted file mode 100644\n"] if text is None else []
        lines += difflib.unified_diff((old or "").splitlines(True), (text or "").splitlines(True),
                                      "/dev/null" if old is None else f"a/{name}", "/dev/null" if text is None else f"b/{name}")
    return "".join(lines)


def apply(tree: Path, after: Files) -> None:
    """Change the tree. A file is replaced, not written to: it may have another name elsewhere."""
    for name, text in after.items():
        path = tree / name
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--patch", metavar="FILE", type=Path, help="write the change to FILE, and change nothing in the tree")
    p.add_argument("tree", metavar="LINUX", type=Path, help="the top directory of the source")
    args = p.parse_args()
    try:
        before, after = plan(args.tree)
    except (Refused, OSError, UnicodeDecodeError) as error:
        die(f"{args.tree}: {error}; nothing was changed")
    gone = sum(text is None for text in after.values())
    if args.patch:
        args.patch.write_text(patch(before, after), encoding="utf-8")
    else:
        apply(args.tree, after)
    print(f">> into-tree: {len(after) - gone} files written, {gone} removed" + (f", by {args.patch}" if args.patch else f" in {args.tree}"))
    return 0
