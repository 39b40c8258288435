"""The one error of the stack: it names what failed, where the log is and what to do about it."""

from pathlib import Path


class StackError(Exception):
    """Something the person at the terminal has to know; cli.py prints it and exits with 1."""

    def __init__(self, what: str, *, log: Path | None = None, cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.log = log
        self.cure = cure

    def __str__(self) -> str:
        lines = [self.what]
        if self.log is not None:
            lines += [f"  | {line}" for line in tail(self.log, 12)]
            lines.append(f"  log:  {self.log}")
        if self.cure:
            lines.append(f"  cure: {self.cure}")
        return "\n".join(lines)


def tail(path: Path, count: int) -> list[str]:
    """The last lines of a log; a log that is not there yet has none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 64 * 1024 - count * 512))
            return file.read().decode(errors="replace").splitlines()[-count:] if count else []
    except FileNotFoundError:
        return []
