"""What Kafka Connect says of a connector and its tasks, and what a failure's words mean for the source behind it."""

from __future__ import annotations

import re
from typing import NamedTuple

REASON = 500  # characters of a failure's reason
# The statement itself may hold anything: only the table is named.
_UNREAD = re.compile(
    r"DDL statement couldn't be parsed.*?with the statement '\s*(create|alter)(?:\s+(?:or\s+replace|online|ignore))*"
    r"\s+table\s+(?:if\s+(?:not\s+)?exists\s+)?((?:`(?:[^`]|``)*`|[\w$]+)(?:\.(?:`(?:[^`]|``)*`|[\w$]+))?)",
    re.IGNORECASE | re.DOTALL,
)
_CLASS_NAMES = re.compile(r"^(?:Caused by:\s*)?(?:[\w.$]+\.[\w$]+:\s+)*")


class Task(NamedTuple):
    id: int
    state: str
    trace: str


_BEHIND = "the database no longer has the log behind the offset of the connector"
# What Debezium says (3.5 and 3.6: BaseSourceTask, BinlogStreamingChangeEventSource), what MariaDB and MySQL say to it
# (error 1236, which has other reasons as well), and what it means.
_LOST = {
    "no longer available on the server": _BEHIND,
    "required binlog files have been purged": _BEHIND,
    "not in the master's binlog": _BEHIND,
    "purged required binary logs": _BEHIND,
    "purged binary logs containing GTIDs": _BEHIND,
    "Could not find first log file name": _BEHIND,
    "has more GTIDs than the source has": "the database's log ends before the offset of the connector",
    "whose schema isn't known": "the connector met changes of a table whose schema it does not know",
    "Unexpected value for JDBC type": "the connector met values of another type than that it knows the column by",
    "DDL statement couldn't be parsed": "the connector met a statement that it cannot read",
    'ColumnType.byCode(int)" is null': "the connector met a change of a table with a compressed column, which it cannot"
    " read: `headrace lint --live` names them",
    "internal schema size": "the connector met changes of a table whose schema is not the one that it knows",
}


class Status(NamedTuple):
    """Of a connector: its own state and its tasks'. RUNNING beside a FAILED task is ordinary."""

    state: str
    trace: str
    tasks: tuple[Task, ...]

    @property
    def running(self) -> bool:
        return self.state == "RUNNING" and bool(self.tasks) and all(task.state == "RUNNING" for task in self.tasks)

    @property
    def failed(self) -> bool:
        return self.state == "FAILED" or any(task.state == "FAILED" for task in self.tasks)

    @property
    def lost(self) -> str | None:
        """Why it can never go on behind its stored offset, in words; None where it failed of anything else.

        Of a purged binlog, and of a slot that is ahead of the offset: two workers ran the task, one of them frozen, and
        the one that woke up stored its older offset last. And of a table that was made beside the mapped ones and then
        renamed to one of them, or made anew by a statement of which the connector took no notice (`create or replace
        table`). And of a statement that it does not understand: a snapshot passes it by.
        """
        traces = (self.trace, *(task.trace for task in self.tasks)) if self.failed else ()
        return next((words for said, words in _LOST.items() for trace in traces if said in trace), None)

    @property
    def unmade(self) -> str | None:
        """The table, by its own name, that no snapshot gets past: the task cannot read how it is made."""
        found = self._unread() if self.failed else None
        return found[2].rpartition("`.`")[2].strip("`") if found and found[1].lower() == "create" else None

    def _unread(self) -> re.Match[str] | None:
        traces = (self.trace, *(task.trace for task in self.tasks))
        return next((found for trace in traces if (found := _UNREAD.search(trace))), None)

    @property
    def reason(self) -> str:
        """What the first trace ends in: its last `Caused by`, without the exceptions' class names."""
        traces = [self.trace, *(task.trace for task in self.tasks)]
        if made := self._unread():
            return f"it cannot read how table {made[2].replace('`', '')} is made, or a statement about it"
        lines = next((trace.strip().splitlines() for trace in traces if trace.strip()), [])
        causes = [line for line in lines if line.startswith("Caused by:")] or lines[:1]
        return _CLASS_NAMES.sub("", causes[-1])[:REASON] if causes else "it gives no reason"
