"""MySQL with full row images in its binary log and a user for all: the machine's own, else Debian unstable's.

Debian's stable releases have MariaDB only, whose server is called `mysqld` too. The one from unstable runs with the
libraries of its own release, from a folder.
"""

import re
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from nativestack.component import Component, own, run_once, unprivileged_user
from nativestack.debian import extract
from nativestack.errors import StackError
from nativestack.layout import OUTSIDE, reachable
from nativestack.mariadb import USER_SQL, program
from nativestack.probe import LOOPBACK, mysql_greets
from nativestack.process import Command

OLDEST = (8, 0)
PACKAGE, SUITE = "mysql-server-core", "sid"
CURE = "put a mysqld of MySQL 8.0 or newer into PATH"


class MySQL(Component):
    name = "mysql"
    ports = ("mysql",)

    def require(self) -> None:
        if own_server() is None:
            note = "some 70 MB from Debian, the first time only"
            extract(self.cache, self.fetched, PACKAGE, SUITE, note=note, otherwise=CURE)

    @cached_property
    def user(self) -> str | None:
        return unprivileged_user("mysql", "nobody")

    @property
    def fetched(self) -> Path:
        """In the cache; elsewhere where the server's user cannot walk there."""
        wanted = self.cache.root / f"mysql-debian-{SUITE}"
        return wanted if self.user is None or reachable(wanted.parent) else OUTSIDE / wanted.name

    def server(self) -> list[str]:
        """The program and what it must be told to find its own files."""
        if found := own_server():
            return [found, "--no-defaults"]
        root = self.fetched
        loader = next(root.glob("usr/lib/*/ld-linux*"), None)
        if loader is None:
            raise StackError(f"{root} holds no MySQL", cure=f"delete it; or {CURE}")
        share = root / "usr" / "share" / "mysql"
        return [
            str(loader),
            "--library-path",
            str(loader.parent),
            str(root / "usr" / "sbin" / "mysqld"),
            "--no-defaults",
            f"--basedir={root / 'usr'}",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
            f"--plugin-dir={root / 'usr' / 'lib' / 'mysql' / 'plugin'}",
        ]

    def prepare(self) -> Command:
        data = self.layout.data("mysql", self.user)
        if not self.initialised.exists():
            self.initialise(data)
        sql = data / "user.sql"
        sql.write_text(USER_SQL)
        sql.chmod(0o644)
        settings = self.server_settings(data, sql) | self.settings
        options = [f"--{key}={value}" for key, value in settings.items()]
        return Command([*self.server(), *options], user=self.user, cwd=data)

    def server_settings(self, data: Path, sql: Path) -> dict[str, str]:
        return {
            "datadir": str(data),
            "port": str(self.port),
            "bind-address": LOOPBACK,
            "socket": "server.sock",  # in the data directory: a full path may be too long for a socket
            "pid-file": "server.pid",
            "init-file": str(sql),
            "mysqlx": "OFF",
            "secure-file-priv": "NULL",  # a folder that Debian compiled in does not exist here
            "skip-name-resolve": "ON",
            "server-id": "2",
            "log-bin": "binlog",
            "binlog-row-image": "FULL",
            "gtid-mode": "ON",
            "enforce-gtid-consistency": "ON",
            "max-allowed-packet": "64M",
            "max-connect-errors": "1000000",  # our looks at the port count as errors
            "innodb-buffer-pool-size": "64M",
        }

    def initialise(self, data: Path) -> None:
        shutil.rmtree(data, ignore_errors=True)
        own(data, self.user)
        argv = [*self.server(), "--initialize-insecure", f"--datadir={data}", "--secure-file-priv=NULL"]
        run_once(argv, self.layout.log("mysql"), "mysql: mysqld --initialize", self.user, cwd=data)
        self.initialised.touch()

    def ready(self) -> bool:
        return mysql_greets(self.port)


def own_server() -> str | None:
    """This machine's mysqld, if it is MySQL's and new enough."""
    found = program("mysqld")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    version = re.search(r"Ver (\d+)\.(\d+)", said)
    if version is None or "mariadb" in said.lower() or (int(version[1]), int(version[2])) < OLDEST:
        return None
    return found
