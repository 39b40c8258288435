"""Below the canonical values: dates, times, instants and intervals as one text, from every form they arrive in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

# Debezium 3.6 writes an infinite timestamp as a year that no calendar in use reaches (+294247, -290308), and an
# infinite date as what is left after an overflow, other in a snapshot than in the stream (all recorded).
ENDLESS_YEAR = 290_000
_OVERFLOWN = {"-5877611-06-21": "infinity", "-5877611-06-22": "-infinity"}
_OVERFLOWN_YEARS = {292278994: "infinity", 292269055: "-infinity"}
_MOMENT = re.compile(
    r"(?P<year>[+-]?\d{4,10})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"\s?(?P<zone>Z|z|UTC|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?\Z"
)
_TIME = re.compile(
    r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s?(?P<zone>Z|z|UTC|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?\Z"
)
_INFINITE = {
    "infinity": "infinity",
    "+infinity": "infinity",
    "inf": "infinity",
    "-infinity": "-infinity",
    "-inf": "-infinity",
}


def timestamp_text(value: Any) -> str | None:
    """An instant as ``2026-03-01T09:00:00Z``, fractions without trailing zeros; "infinity", "-infinity".

    A timestamp without a zone is written as if it were UTC; in which zone it really stands is the
    mapping's to say (``stored_in``) and is applied where it is read. None: it is no timestamp.
    """
    if isinstance(value, str):
        # As Debezium writes nearly all of them, the second form for a column with a zone.
        if value[10:11] == "T" and value[4] == "-":
            if len(value) == 20 and value[19] == "Z":
                return value
            if len(value) == 27 and value[19] == "." and value[26] == "Z":
                return value[:26].rstrip("0").rstrip(".") + "Z"
        return _moment_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(UTC)
        seconds = datetime.isoformat(value.replace(tzinfo=None), timespec="seconds")
        return seconds + _fraction(f"{value.microsecond:06}") + "Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return None


def _endless(year: int, found: re.Match[str]) -> str:
    day = f"{found['year']}-{found['month']}-{found['day']}"
    return _OVERFLOWN.get(day) or _OVERFLOWN_YEARS.get(year) or ("infinity" if year > 0 else "-infinity")


def _fraction(digits: str | None) -> str:
    digits = (digits or "").rstrip("0")
    return f".{digits}" if digits else ""


def _moment_text(text: str) -> str | None:
    text = text.strip()
    infinite = _INFINITE.get(text.lower())
    if infinite is not None:
        return infinite
    found = _MOMENT.match(text)
    if found is None:
        return None
    year = int(found["year"])
    if abs(year) >= ENDLESS_YEAR:
        return _endless(year, found)
    clock = f"{found['hour'] or '00'}:{found['minute'] or '00'}:{found['second'] or '00'}"
    offset = _offset(found["zone"])
    if not 1 <= year <= 9999:
        # Python's calendar ends here; what it cannot count is kept as it was written.
        return f"{found['year']}-{found['month']}-{found['day']}T{clock}{_fraction(found['fraction'])}Z"
    try:
        moment = datetime.fromisoformat(f"{year:04}-{found['month']}-{found['day']}T{clock}") - offset
    except (ValueError, OverflowError):
        return None
    return moment.isoformat() + _fraction(found["fraction"]) + "Z"


def _offset(zone: str | None) -> timedelta:
    if not zone or zone in {"Z", "z", "UTC"}:
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(6, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:]))
    return -size if zone[0] == "-" else size


def date_text(value: Any) -> str | None:
    """A day as ``2026-03-01``; "infinity", "-infinity". None: it is no date."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        return None
    if len(value) == 10 and value[4] == "-" and value[7] == "-":
        return value
    text = value.strip()
    infinite = _INFINITE.get(text.lower())
    if infinite is not None:
        return infinite
    found = _MOMENT.match(text)
    if found is None:
        return None
    year = int(found["year"])
    if abs(year) >= ENDLESS_YEAR:
        return _endless(year, found)
    return f"{found['year']}-{found['month']}-{found['day']}"


def time_text(value: Any, zoned: bool = False) -> str | None:
    """A time of day as ``10:15:00``; one with a zone as UTC, ``10:15:00Z``. None: it is no time."""
    if isinstance(value, timedelta):  # how MariaDB's driver gives a TIME
        value = str(value).rjust(8, "0")
    if isinstance(value, time):
        value = value.isoformat()
    if not isinstance(value, str):
        return None
    found = _TIME.match(value.strip())
    if found is None:
        return None
    clock = timedelta(hours=int(found["hour"]), minutes=int(found["minute"]), seconds=int(found["second"] or 0))
    if found["zone"]:
        clock -= _offset(found["zone"])
        if clock < timedelta() or clock > timedelta(days=1):
            clock %= timedelta(days=1)
    hours, rest = divmod(int(clock.total_seconds()), 3600)
    text = f"{hours:02}:{rest // 60:02}:{rest % 60:02}{_fraction(found['fraction'])}"
    return text + "Z" if zoned else text


_INTERVAL = re.compile(
    r"P(?:(?P<years>-?\d+)Y)?(?:(?P<months>-?\d+)M)?(?:(?P<days>-?\d+)D)?"
    r"(?:T(?:(?P<hours>-?\d+)H)?(?:(?P<minutes>-?\d+)M)?(?:(?P<seconds>-?\d+(?:\.\d+)?)S)?)?\Z"
)


def interval_text(value: Any) -> str | None:
    """An interval as ISO 8601 without its empty parts, ``P1M2DT3H``; None: it is none.

    psycopg counts a month as 30 days, so a month read from the live database reads otherwise than a captured one.
    """
    if isinstance(value, timedelta):
        sign = "-" if value < timedelta() else ""
        days, rest = divmod(abs(value), timedelta(days=1))
        hours, rest = divmod(rest, timedelta(hours=1))
        minutes, rest = divmod(rest, timedelta(minutes=1))
        value = f"P{sign}{days}DT{sign}{hours}H{sign}{minutes}M{sign}{rest.total_seconds():f}S"
    found = _INTERVAL.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    parts = {name: _short(number) for name, number in found.groupdict().items()}
    day = "".join(f"{parts[n]}{n[0].upper()}" for n in ("years", "months", "days") if parts[n])
    clock = "".join(f"{parts[n]}{n[0].upper()}" for n in ("hours", "minutes", "seconds") if parts[n])
    return f"P{day}T{clock}" if clock else f"P{day}" if day else "PT0S"


def _short(number: str | None) -> str:
    text = number or ""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "" if text in ("0", "-0") else text


def interval_words(value: str) -> str:
    """``1 month 2 days 3 hours`` of ``P1M2DT3H``; a text that is no interval stays as it is."""
    found = _INTERVAL.match(value)
    if found is None:
        return value
    parts = [(number, name) for name, number in found.groupdict().items() if number]
    return " ".join(f"{number} {name[:-1] if number in ('1', '-1') else name}" for number, name in parts)
