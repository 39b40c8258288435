"""MariaDB from the distribution's package, with full row images in its binary log and a user for all."""

import os
import shutil
import subprocess
from pathlib import Path

from nativestack.component import Component, own, run_once, unprivileged_user
from nativestack.errors import StackError
from nativestack.probe import LOOPBACK, mysql_greets
from nativestack.process import Command

# The server's programs only. Debian's `mariadb-server` would add a service of its own on port 3306.
PACKAGES = ["mariadb-server-core", "mariadb-client-core"]
USER_SQL = """\
CREATE USER IF NOT EXISTS 'headrace'@'%' IDENTIFIED BY 'headrace';
GRANT ALL PRIVILEGES ON *.* TO 'headrace'@'%' WITH GRANT OPTION;
"""


class MariaDB(Component):
    name = "mariadb"
    ports = ("mariadb",)

    def require(self) -> None:
        if program("mariadbd") is None or program("mariadb-install-db") is None:
            install(self.layout.log("mariadb"))

    def prepare(self) -> Command:
        user = unprivileged_user("mysql", "nobody")
        data = self.layout.data("mariadb", user)
        if not self.initialised.exists():
            self.initialise(data, user)
        sql = data / "user.sql"
        sql.write_text(USER_SQL)
        sql.chmod(0o644)
        settings = self.server_settings(data, sql) | self.settings
        options = [f"--{key}={value}" for key, value in settings.items()]
        return Command([need("mariadbd"), "--no-defaults", *options], user=user, cwd=data)

    def server_settings(self, data: Path, sql: Path) -> dict[str, str]:
        return {
            "datadir": str(data),
            "port": str(self.port),
            "bind-address": LOOPBACK,
            "socket": "server.sock",  # in the data directory: a full path may be too long for a socket
            "pid-file": "server.pid",
            "init-file": str(sql),
            "skip-name-resolve": "ON",
            "server-id": "1",
            "log-bin": "binlog",
            "binlog-format": "ROW",
            "binlog-row-image": "FULL",
            "gtid-strict-mode": "ON",
            "character-set-server": "utf8mb4",
            "max-allowed-packet": "64M",
            "max-connect-errors": "1000000",  # our looks at the port count as errors
            "innodb-buffer-pool-size": "64M",
        }

    def initialise(self, data: Path, user: str | None) -> None:
        shutil.rmtree(data, ignore_errors=True)
        own(data, user)
        argv = [need("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        options = ["--auth-root-authentication-method=socket", "--skip-name-resolve"]
        run_once(argv + options, self.layout.log("mariadb"), "mariadb: mariadb-install-db", user, cwd=data)
        self.initialised.touch()

    def ready(self) -> bool:
        return mysql_greets(self.port)


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def need(name: str) -> str:
    found = program(name)
    if found is None:
        raise StackError(f"{name} is not installed", cure=f"apt-get install {' '.join(PACKAGES)}")
    return found


def install(log: Path) -> None:
    """Debian and Ubuntu, as root: install the packages. Everyone else is told what to install."""
    command = f"apt-get install {' '.join(PACKAGES)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StackError("MariaDB is not installed", cure=command)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"]
    with log.open("ab") as output:
        for step in (["apt-get", "update"], ["apt-get", "install", *options, *PACKAGES]):
            done = subprocess.run(step, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if done.returncode != 0:
        raise StackError("mariadb: installing the packages failed", log=log, cure=command)
