"""Programs from Debian's archive where this machine's release has none: extracted into a folder, never installed.

apt resolves, fetches and verifies, with lists and a state of its own; its address is the one that this machine uses.
"""

import shutil
import subprocess
from pathlib import Path

from nativestack.cache import Cache, fresh, run, say, the_only_builder
from nativestack.component import run_once
from nativestack.errors import StackError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def extract(cache: Cache, into: Path, package: str, suite: str, *, note: str, otherwise: str) -> None:
    """``package`` of ``suite`` with everything it needs, as the folder ``into``; there completely or not at all.

    ``otherwise``: the cure where this machine has no Debian archive.
    """
    if into.exists():
        return
    address = archive(otherwise)
    cache.root.mkdir(parents=True, exist_ok=True)
    with the_only_builder(cache):
        if into.exists():  # another one may have done it while we waited
            return
        work, log = fresh(into.with_name(f"{into.name}.partial")), cache.root / f"fetch-{package}.log"
        log.unlink(missing_ok=True)
        options = settings(work, address, suite)
        say(f"{package}: asking Debian {suite} for it")
        run_once(["apt-get", *options, "update"], log, f"{package}: asking Debian {suite}")
        download = ["apt-get", *options, "install", "--download-only", "--yes", "--no-install-recommends", package]
        run(download, work, {"DEBIAN_FRONTEND": "noninteractive"}, log, package, note)
        unpack(work, into, log)
        shutil.rmtree(work)


def archive(otherwise: str) -> str:
    """Where this machine gets Debian's packages from."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None or not KEYRING.exists():
        raise StackError("this machine has no Debian packages to take a server from", cure=otherwise)
    command = ["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Identifier: Packages"]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    found = [address for label, _, address in (line.partition("|") for line in said.splitlines()) if label == "Debian"]
    if not found:
        raise StackError("apt knows no archive of Debian's here", cure=f"apt-get update; or {otherwise}")
    return found[0]


def settings(work: Path, address: str, suite: str) -> list[str]:
    """apt with nothing of this machine's but its keyring and how it reaches the network."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "state" / "status").touch()  # nothing is installed, so that all that is needed is fetched
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {address} {suite} main\n")
    given = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": work / "state",
        "Dir::State::status": work / "state" / "status",
        "Dir::Cache": work / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",  # apt's own user may not be able to walk into the cache
        "APT::Update::Error-Mode": "any",  # an archive that did not answer is a failure
    }
    return [part for key, value in given.items() for part in ("-o", f"{key}={value}")]


def unpack(work: Path, into: Path, log: Path) -> None:
    root = work / "root"
    packages = sorted((work / "cache" / "archives").glob("*.deb"))
    if not packages:
        raise StackError("apt fetched nothing", log=log)
    for package in packages:
        run_once(["dpkg-deb", "--extract", str(package), str(root)], log, f"extracting {package.name}")
    root.rename(into)
