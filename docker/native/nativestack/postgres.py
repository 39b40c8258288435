"""PostgreSQL from the distribution's package, its own data directory and port, and logical decoding on."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

from nativestack.component import Component, own, run_once, unprivileged_user
from nativestack.errors import StackError
from nativestack.probe import LOOPBACK
from nativestack.process import Command

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")


class Postgres(Component):
    name = "postgres"
    ports = ("postgres",)
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, not awaited
    wipe_signal = signal.SIGQUIT  # SIGKILL would leave shared memory behind

    def require(self) -> None:
        programs()

    def prepare(self) -> Command:
        user = unprivileged_user("postgres", "nobody")
        data = self.layout.data("postgres", user)
        if not self.initialised.exists():
            self.initialise(data, user)
        self.forget_stale_lock(data)
        settings = self.server_settings() | self.settings
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return Command([str(programs() / "postgres"), "-D", str(data), *options], user=user, cwd=data)

    def server_settings(self) -> dict[str, str]:
        return {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "wal_level": "logical",
            "max_replication_slots": "20",
            "max_wal_senders": "20",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        }

    def initialise(self, data: Path, user: str | None) -> None:
        shutil.rmtree(data, ignore_errors=True)
        own(data, user)
        password = data.parent / "postgres.password"
        password.write_text("postgres\n")
        password.chmod(0o644)
        initdb = [str(programs() / "initdb"), "-D", str(data), "-U", "postgres", "--pwfile", str(password)]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        run_once(initdb + options, self.layout.log("postgres"), "postgres: initdb", user, cwd=data)
        password.unlink()
        self.initialised.touch()

    def forget_stale_lock(self, data: Path) -> None:
        """After kill -9 the lock file names a pid that may belong to a stranger by now."""
        lock = data / "postmaster.pid"
        if lock.exists():
            pid = lock.read_text().split()[0]
            command = Path(f"/proc/{pid}/cmdline")
            if not command.exists() or str(data).encode() not in command.read_bytes():
                lock.unlink()

    def ready(self) -> bool:
        argv = [str(programs() / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-t", "2"]
        return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def programs() -> Path:
    """The folder of initdb and postgres; distributions keep it off the PATH. The newest version wins."""
    candidates = [folder for place in PLACES for folder in Path("/").glob(place.lstrip("/"))]
    candidates.sort(key=lambda folder: [int(number) for number in re.findall(r"\d+", str(folder))])
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    for folder in reversed(candidates):
        if all((folder / program).exists() for program in ("initdb", "postgres", "pg_isready")):
            return folder
    raise StackError("PostgreSQL is not installed", cure="apt-get install postgresql (15 or newer)")
