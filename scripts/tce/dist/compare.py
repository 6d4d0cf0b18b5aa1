# SPDX-License-Identifier: GPL-2.0-only
"""What is in a package, and where two packages differ."""
import gzip
import hashlib
import io
import re
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# What one kind of package has and the other has not, by the rules of its distribution.
OWN = {"deb": re.compile(r"usr/share/doc/[\w-]+/(copyright|changelog\.gz)"), "rpm": re.compile(r"usr/share/licenses/[\w.-]+/LICENSE")}


class Entry(NamedTuple):
    """A file of a package."""
    mode: int
    owner: str
    content: str        # its hash, or where the link leads to


def entries(tar_bytes: bytes) -> dict[str, Entry]:
    """{name: file}. Directories come with their files. A compressed page is the page."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        for member in tar:
            name = member.name.removeprefix(".").lstrip("/")
            if member.issym():
                found[name] = Entry(0o777, "root", f"-> {member.linkname}")
            elif not member.isdir():
                file = tar.extractfile(member)
                data = file.read() if file else b""
                if name.endswith(".gz") and not any(own.fullmatch(name) for own in OWN.values()):
                    name, data = name.removesuffix(".gz"), gzip.decompress(data)
                found[name] = Entry(member.mode & 0o7777, f"{member.uname or member.uid}:{member.gname or member.gid}",
                                    hashlib.sha256(data).hexdigest())
    return found


def contents(package: Path) -> dict[str, Entry]:
    """The files of a package."""
    if package.suffix == ".deb":
        return entries(subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True).stdout)
    with package.open("rb") as file:
        return entries(subprocess.run(["rpm2archive", "--nocompression", "-"], stdin=file, stdout=subprocess.PIPE, check=True).stdout)


def differences(deb: Mapping[str, Entry], rpm: Mapping[str, Entry]) -> list[str]:
    """Where a package for Debian differs from the same one for Fedora."""
    ours = {"deb": {n: e for n, e in deb.items() if not OWN["deb"].fullmatch(n)},
            "rpm": {n: e for n, e in rpm.items() if not OWN["rpm"].fullmatch(n)}}
    if not ours["deb"] or not ours["rpm"]:
        return ["one of them is empty"]
    wrong = []
    for name in sorted(ours["deb"].keys() | ours["rpm"].keys()):
        one, other = ours["deb"].get(name), ours["rpm"].get(name)
        if not one or not other:
            wrong.append(f"/{name} is only in the .{'deb' if one else 'rpm'}")
        elif one != other:
            fields = [field for field, a, b in zip(Entry._fields, one, other) if a != b]
            wrong.append(f"/{name} has another {' and '.join(fields)}")
    return wrong
