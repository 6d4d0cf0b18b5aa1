# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages of other releases and architectures, beside the machine's own apt."""
import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tce.cli import say
from tce.paths import CACHE

# (uri, suite, components, signed_by)
Source = tuple[str, str, list[str], str]

SUITES = ("bookworm", "bookworm-backports", "trixie", "sid", "experimental")
HOME = CACHE / "apt"


def one_line_sources(text: str) -> Iterator[Source]:
    """Entries of a one-line style sources.list: (uri, suite, components, signed_by)."""
    for line in text.splitlines():
        m = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)", line.split("#")[0].strip())
        if m:
            key = re.search(r"signed-by=(\S+)", m[1] or "", re.I)
            yield m[2], m[3], m[4].split(), key[1] if key else ""


def deb822_sources(text: str) -> Iterator[Source]:
    """The same from a deb822 style .sources file."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        field = {}
        for m in re.finditer(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.M):
            field[m[1].lower()] = m[2]
        if "deb" not in field.get("types", "").split() or \
                field.get("enabled", "yes").strip().lower() in ("no", "false"):
            continue
        for uri in field.get("uris", "").split():
            for suite in field.get("suites", "").split():
                yield uri, suite, field.get("components", "").split(), \
                    field.get("signed-by", "").strip()


def machine_source() -> tuple[str, str]:
    """(uri, signed_by) of the Debian mirror that this machine uses itself."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M))
    wanted = {release.get("VERSION_CODENAME"), "stable", "oldstable", "testing", "sid", "unstable"}
    etc = Path("/etc/apt")
    found = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        parse = deb822_sources if path.suffix == ".sources" else one_line_sources
        # Only the main archive has the plain release name as its suite, and it
        # is the one that carries backports and sid as well.
        found += [(uri, key) for uri, suite, components, key in parse(path.read_text())
                  if suite in wanted and "main" in components and not uri.startswith("cdrom:")]
    if not found:
        sys.exit("private-apt: no Debian mirror found in /etc/apt/sources.list[.d]")
    # Third parties may name their suites after Debian's; prefer what looks like Debian's.
    likely = [f for f in found if re.search(r"/debian(/|\.list|$)", f[0])]
    if not likely and release.get("ID") != "debian":
        sys.exit("private-apt: this is not Debian, and its apt knows no mirror of Debian's")
    return (likely or found)[0]


def configure() -> Path:
    """Write apt.conf and sources.list; both follow the machine's own sources."""
    uri, key = machine_source()
    for sub in ("etc/preferences.d", "state/lists/partial", "cache/archives/partial", "debs"):
        (HOME / sub).mkdir(parents=True, exist_ok=True)
    if "BEGIN PGP" in key:      # deb822 allows the key itself instead of its path
        lines = [line.strip() for line in key.splitlines()]
        keyfile = HOME / "etc/archive-key.asc"
        keyfile.write_text("\n".join("" if line == "." else line for line in lines) + "\n")
        key = str(keyfile)
    option = f"[signed-by={key}] " if key else ""
    lines = [f"deb {option}{uri} {suite} main" for suite in SUITES]
    lines.append(f"deb-src {option}{uri} {SUITES[0]} main")
    sources = "\n".join(lines) + "\n"
    (HOME / "state/status").touch()
    conf = HOME / "etc/apt.conf"
    conf.write_text(f"""\
Dir::State "{HOME}/state";
Dir::State::status "{HOME}/state/status";
Dir::Cache "{HOME}/cache";
Dir::Etc::sourcelist "{HOME}/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "{HOME}/etc/preferences.d";
APT::Architectures {{ "amd64"; "ppc64el"; }};
APT::Sandbox::User "root";  // the cache is not readable for _apt
Acquire::Languages "none";
Acquire::Retries "5";
""")
    os.environ["APT_CONFIG"] = str(conf)
    old = HOME / "etc/sources.list"
    if not old.exists() or old.read_text() != sources:
        old.write_text(sources)
        (HOME / "updated").unlink(missing_ok=True)
    return conf


def run(*argv: str, **kw: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, **kw)


def update(force: bool = False) -> None:
    """Fetch the package index, once; again only when it turns out to be stale."""
    if (HOME / "updated").exists() and not force:
        return
    say("fetching the Debian package index (bookworm, backports, trixie, sid, experimental; about 90 MB)")
    if not updated():
        sys.exit("private-apt: the package index could not be fetched")


def updated(*options: str) -> bool:
    done = run("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", *options, "update", stdout=sys.stderr)
    if done.returncode == 0:
        (HOME / "updated").touch()
    return done.returncode == 0


def refresh() -> bool:
    """Fetch the package index again if it is older than a day: one try, and no long wait for a dead network."""
    stamp = HOME / "updated"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < 86400:
        return True
    return updated("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


def deb_names(specs: list[str]) -> list[str] | None:
    """File names of the packages, None when one of them is not in the index."""
    with tempfile.TemporaryDirectory() as empty:    # print-uris skips what lies in the cwd
        done = run("apt-get", "download", "-qq", "--print-uris", *specs, cwd=empty,
                   capture_output=True, text=True)
    names = re.findall(r"^'[^']+' (\S+) \d+", done.stdout, re.M)
    if done.returncode or len(names) != len(specs):
        say(done.stderr.strip() or f"only found {' '.join(names)}")
        return None
    return names


def download(specs: list[str]) -> list[Path]:
    """The packages' files, which stay for the next time."""
    update()
    debs = HOME / "debs"
    say("getting " + " ".join(specs))
    for fresh in (False, True):
        if fresh:       # a package was superseded since the index was fetched
            update(force=True)
        names = deb_names(specs)
        if names and (all((debs / n).exists() for n in names) or
                      run("apt-get", "-q", "download", *specs, cwd=debs, stdout=sys.stderr).returncode == 0):
            break
    else:
        sys.exit("private-apt: not available from the mirror: " + " ".join(specs))
    return [debs / name for name in names]


def get(target: str, specs: list[str]) -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    for deb in download(specs):
        if run("dpkg-deb", "-x", str(deb), target).returncode:
            deb.unlink()
            sys.exit(f"private-apt: {deb.name} was damaged and is removed; please run again")


def member(target: str, spec: str, path: str) -> None:
    """One file of a package that is too large to be kept, or to be unpacked."""
    deb, = download([spec])
    with open(target, "wb") as out, subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE,
                                                       stderr=subprocess.DEVNULL) as whole:
        done = subprocess.run(["tar", "-xO", "--occurrence=1", f"./{path}"], stdin=whole.stdout, stdout=out)
    deb.unlink()
    if done.returncode:
        Path(target).unlink()
        sys.exit(f"private-apt: {deb.name} has no {path}, or was damaged")


def main(doc: str) -> int:
    argv = sys.argv[1:]
    if not argv or argv[0] not in ("config", "names", "get", "member", "source", "refresh") or \
            len(argv) < {"config": 1, "refresh": 1, "names": 2, "member": 4, "get": 3, "source": 3}[argv[0]]:
        print(doc, file=sys.stderr)
        return 2
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        conf = configure()
        if argv[0] == "config":
            print(conf)
        elif argv[0] == "refresh":
            return 0 if refresh() else 1
        elif argv[0] == "names":
            update()
            names = run("apt-cache", "pkgnames", capture_output=True, text=True).stdout.split()
            print("\n".join(sorted({n for n in names if re.fullmatch(argv[1], n)})))
        elif argv[0] == "get":
            get(argv[1], argv[2:])
        elif argv[0] == "member":
            member(*argv[1:4])
        else:
            update()
            Path(argv[1]).mkdir(parents=True, exist_ok=True)
            return run("apt-get", "-q", "source", "--download-only", "--only-source", argv[2], cwd=argv[1], stdout=sys.stderr).returncode
    return 0
