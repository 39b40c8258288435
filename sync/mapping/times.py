"""Below the values: dates, times and instants in words, and in which zone they stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sync.errors import MappingError
from sync.mapping.kinds import zoned

if TYPE_CHECKING:
    from sync.mapping.plan import ColumnPlan

# strftime's %B follows the process's locale; documents must not.
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo | None:
    """The zone of this name, or None: there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None


def date_words(value: str, pattern: str | None) -> str:
    """``1 March 2026`` of ``2026-03-01``; what is no day of this calendar stays as it is."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return day.strftime(pattern) if pattern else f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def time_words(value: str, pattern: str | None) -> str:
    """``10:15`` of ``10:15:00``, with seconds where there are any."""
    try:
        clock = time.fromisoformat(value)
    except ValueError:
        return value
    if pattern:
        return clock.strftime(pattern)
    text = f"{clock.hour:02}:{clock.minute:02}" + (f":{clock.second:02}" if clock.second else "")
    return f"{text} UTC" if clock.tzinfo is not None else text


@dataclass(frozen=True)
class Clock:
    """How one timestamp column's instants read.

    ``stored_in`` is the zone in which a column without a zone was written; ``None``: the image says UTC and means it.
    """

    zone: ZoneInfo
    stored_in: ZoneInfo | None
    pattern: str | None

    @classmethod
    def of(cls, table: str, column: ColumnPlan) -> Clock:
        """Raises MappingError for a zone that does not exist."""
        model = column.column
        name = model.timezone if isinstance(model.timezone, str) else "UTC"
        stored = model.stored_in if model.stored_in and not zoned(column.database_type) else None
        return cls(_zone(table, column.name, name), _zone(table, column.name, stored) if stored else None, model.format)

    def moment(self, value: str) -> datetime | None:
        """The instant, or None: no calendar of ours holds it."""
        try:
            moment = datetime.fromisoformat(value)
            if self.stored_in is not None:
                moment = moment.replace(tzinfo=self.stored_in)
            return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None

    def words(self, value: str) -> str:
        """``2 April 2026, 10:15 UTC``."""
        return self._words(value, self.zone)

    def words_in(self, value: str, name: str) -> str | None:
        """The same in a zone that the row names; None: there is no such zone."""
        zone = zone_of(name)
        return None if zone is None else self._words(value, zone)

    def _words(self, value: str, zone: ZoneInfo) -> str:
        moment = self.moment(value)
        try:
            local = None if moment is None else moment.astimezone(zone)
        except OverflowError:
            local = None
        if local is None:
            return value
        if self.pattern:
            return local.strftime(self.pattern)
        name = local.tzname() or "UTC"
        # Zones without an abbreviation call themselves "-03".
        name = f"UTC{name}" if name[0] in "+-" else name
        return f"{local.day} {MONTHS[local.month - 1]} {local.year}, {local.hour:02}:{local.minute:02} {name}"


def _zone(table: str, column: str, name: str) -> ZoneInfo:
    zone = zone_of(name)
    if zone is None:
        raise MappingError(
            f'table "{table}", column "{column}": there is no time zone "{name}"; use names like Europe/Rome'
        )
    return zone
