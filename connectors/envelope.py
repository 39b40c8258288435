"""A source's topic, decoded: one Kafka record of Debezium's JSON (without schemas) becomes one Record.

Format: Debezium's "change event values", "transaction metadata", "notifications" and heartbeat records, as
JsonConverter writes them with `schemas.enable=false`. Nothing here raises: what cannot be read is Broken.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Iterable
from typing import Any

import orjson

from connectors.change import (
    Broken,
    Change,
    Heartbeat,
    Message,
    Operation,
    Record,
    SchemaChange,
    SnapshotNotice,
    Tombstone,
    TransactionBegin,
    TransactionEnd,
    Truncate,
)
from connectors.positions import binlog_position
from connectors.unsent import may_hold_placeholder, take_out_placeholders
from sync.mapping.lock import LockColumn, LockTable

Headers = Iterable[tuple[str, bytes | None]] | None

MARKER_TABLE = "headrace_marker"  # whose rows are our messages where a database has none of its own
NEW_KEY, OLD_KEY = "__debezium.newkey", "__debezium.oldkey"
_OPERATIONS = {each.value: each for each in Operation}
_MARKED = frozenset({"mariadb", "mysql"})
_INITIAL_SNAPSHOT = frozenset({"true", "first", "first_in_data_collection", "last_in_data_collection", "last"})


class _Unreadable(Exception):
    """Why a record is Broken. Its text names parts of the envelope, never a value."""


def decode(key: bytes | None, value: bytes | None, headers: Headers, offset: int) -> Record:
    """The record at ``offset``; ``key`` and ``value`` are JSON, ``headers`` are Kafka's (values JSON too)."""
    if value is None:
        return Tombstone(offset, 0)
    try:
        body = _json(value)
    except ValueError:
        return _broken(offset, "its value is not JSON", key)
    if type(body) is not dict:
        return _broken(offset, "its value is no JSON object", key)
    try:
        operation = body.get("op")
        if operation is None:
            return _mark(body, offset)
        if operation == "m":
            return _message(body, offset)
        if operation == "t":
            return _truncate(body, offset)
        return _change(key, value, body, headers, offset)
    except _Unreadable as exc:
        return _broken(offset, str(exc), key, body.get("source"))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        # The shape is not what Debezium writes. The exception's text may quote a value, so its kind must do.
        return _broken(offset, f"its envelope has an unknown shape ({type(exc).__name__})", key, body.get("source"))


def _broken(offset: int, reason: str, key: bytes | None, source: Any = None) -> Broken:
    """What is known of the row all the same: it is retried when that row is shown again."""
    table = row_key = None
    with contextlib.suppress(_Unreadable, ValueError, TypeError, AttributeError):
        table = _table(source) if isinstance(source, dict) else None
    with contextlib.suppress(ValueError, RecursionError):
        row_key = _key(key)
    return Broken(offset, _committed_at(source), reason, table, row_key)


def _json(text: bytes | str) -> Any:
    """JSON read by orjson, or more patiently where it holds half a character. Raises ValueError.

    A column that is cut to its first character (``mask``) is cut by Java, which counts UTF-16 units: of an emoji
    half is left, which is no character. It becomes U+FFFD.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
        return _whole(json.loads(decoded, parse_constant=_no_constant))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(name): _whole(part) for name, part in value.items()}
    return [_whole(part) for part in value] if isinstance(value, list) else value


def _change(key: bytes | None, raw: bytes, body: dict[str, Any], headers: Headers, offset: int) -> Record:
    operation = _OPERATIONS.get(body["op"])
    if operation is None:
        raise _Unreadable("its operation is unknown")
    source = _source(body)
    before, after = body.get("before"), body.get("after")
    image = before if operation is Operation.delete else after
    if not isinstance(image, dict) and (operation is not Operation.delete or key is None):
        raise _Unreadable(f"a change with operation {operation.value} has no row")
    if source.get("table") == MARKER_TABLE and source.get("connector") in _MARKED and image is after and after:
        return _marker_row(body, source, after, offset)
    new_key = old_key = None
    if headers:
        for name, content in headers:
            if name == NEW_KEY:
                new_key = _key(content)
            elif name == OLD_KEY:
                old_key = _key(content)
    unsent: frozenset[str] = frozenset()
    # Only an update can leave values out, and the second half of a key change. In a plain insert or in a
    # snapshot the same text is the row's own. A row that is *updated* to hold exactly the placeholder's text
    # cannot be told from one whose value was not sent: it keeps its former value until the next snapshot.
    if after is not None and (operation is Operation.update or old_key is not None) and may_hold_placeholder(raw):
        after, unsent = take_out_placeholders(after)
    snapshot = source.get("snapshot")
    return Change(
        offset,
        _committed_at(source),
        _table(source),
        operation,
        _key(key),
        before,
        after,
        None if snapshot in _INITIAL_SNAPSHOT else _position(source),
        _transaction(body),
        new_key,
        old_key,
        unsent,
        snapshot == "incremental",
    )


def _truncate(body: dict[str, Any], offset: int) -> Record:
    source = _source(body)
    # In MariaDB and MySQL it commits by itself, and no END follows its BEGIN.
    transaction = None if source.get("connector") in _MARKED else _transaction(body)
    return Truncate(offset, _committed_at(source), _table(source), _position(source), transaction)


def _message(body: dict[str, Any], offset: int) -> Record:
    source, message = _source(body), body["message"]
    try:
        content = base64.b64decode(message["content"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _Unreadable("a logical message's content is no base64 of UTF-8") from None
    return Message(
        offset, _committed_at(source), str(message["prefix"]), content, _position(source), _transaction(body)
    )


def _marker_row(body: dict[str, Any], source: dict[str, Any], row: dict[str, Any], offset: int) -> Record:
    if source.get("snapshot") in _INITIAL_SNAPSHOT:
        return Heartbeat(offset, 0)  # a row that a snapshot shows says nothing about what was committed before it
    # The row knows the microsecond, the log's own time only the second.
    return Message(
        offset, int(row["written_us"]), str(row["prefix"]), str(row["content"]), _position(source), _transaction(body)
    )


def _mark(body: dict[str, Any], offset: int) -> Record:
    """What stands between the changes: transaction ends, notifications, heartbeats, DDL."""
    if (status := body.get("status")) in ("BEGIN", "END") and "id" in body:
        kind = TransactionBegin if status == "BEGIN" else TransactionEnd
        return kind(offset, int(body.get("ts_ms") or 0) * 1000, _transaction_id(str(body["id"])))
    if "aggregate_type" in body:
        return _notice(body, offset)
    if "ddl" in body:
        return _schema_change(body, offset)
    if body.keys() <= {"ts_ms", "ts_us", "ts_ns"}:
        return Heartbeat(offset, 0)
    raise _Unreadable("it is neither a change nor a mark that Debezium writes")


def _notice(body: dict[str, Any], offset: int) -> Record:
    details = {str(name): str(detail) for name, detail in (body.get("additional_data") or {}).items()}
    table = details.get("scanned_collection") or details.get("current_collection_in_progress")
    return SnapshotNotice(
        offset, 0, body["aggregate_type"], body["type"], str(body["id"]), table, details.get("status"), details
    )


def _schema_change(body: dict[str, Any], offset: int) -> Record:
    # "id" is written as "shop"."item", with quotes.
    changed = [each for each in body.get("tableChanges") or () if each.get("id")]
    tables = tuple(_named(each) for each in changed)
    source = body.get("source") or {}
    if not tables and source.get("table"):
        # A table that the connector did not know before is in no tableChanges: "box_old,box", of a RENAME.
        tables = tuple(f"{source.get('db')}.{each}" for each in str(source["table"]).split(","))
    kind = str(changed[0].get("type") or "") if changed else ""
    shown = source.get("snapshot") in _INITIAL_SNAPSHOT
    position = None if shown else _position(source)
    definitions = {_named(each): _definition(table) for each in changed if (table := each.get("table"))}
    statement = str(body["ddl"] or "")
    return SchemaChange(offset, _committed_at(source), statement, tables, kind, shown, position, definitions)


def _named(change: dict[str, Any]) -> str:
    return str(change["id"]).replace('"', "")


def _definition(table: dict[str, Any]) -> LockTable:
    columns = {str(each["name"]): LockColumn(type=_type(each)) for each in table.get("columns") or ()}
    return LockTable(key=tuple(table.get("primaryKeyColumnNames") or ()), columns=columns)


def _type(column: dict[str, Any]) -> str:
    """As the catalogue writes it, of "BIGINT UNSIGNED" with its length and scale; an enum's is its name alone."""
    base, *more = str(column.get("typeName") or "").lower().split()
    arguments = [str(each) for each in (column.get("length"), column.get("scale")) if each is not None]
    if arguments and base not in ("enum", "set"):
        base += f"({','.join(arguments)})"
    return " ".join((base, *more))


def _source(body: dict[str, Any]) -> dict[str, Any]:
    source = body.get("source")
    if not isinstance(source, dict):
        raise _Unreadable("a change without its source")
    return source


def _table(source: dict[str, Any]) -> str:
    table = source.get("table")
    # MySQL and MariaDB have no schema: there the database is the first half.
    first = source.get("schema") or source.get("db")
    if not table or not first:
        raise _Unreadable("a change whose source names no table")
    return f"{first}.{table}"


def _key(content: bytes | None) -> dict[str, Any] | None:
    if not content:
        return None
    key = _json(content)
    if isinstance(key, dict) and key.keys() == {"schema", "payload"}:  # header converters write schemas
        key = key["payload"]
    return key if isinstance(key, dict) and key else None


def _committed_at(source: Any) -> int:
    if not isinstance(source, dict):
        return 0
    microseconds = source.get("ts_us")
    if type(microseconds) is int:
        return microseconds
    milliseconds = source.get("ts_ms")
    return milliseconds * 1000 if type(milliseconds) is int else 0


def _transaction(body: dict[str, Any]) -> str | None:
    transaction = body.get("transaction")
    return _transaction_id(transaction["id"]) if transaction else None


def _transaction_id(identity: str) -> str:
    """One name for all records of a transaction.

    PostgreSQL's is written "transaction id:LSN of this record", so that begin, changes and end differ.
    """
    first, _, second = identity.partition(":")
    return first if first.isdigit() and second.isdigit() else identity


def _position(source: dict[str, Any]) -> tuple[int, ...] | None:
    """The place in the database's own log; `connectors.positions` says which of two is the earlier one.

    PostgreSQL: (last commit's LSN, this record's LSN). LSNs alone are not ordered across transactions (the one that
    commits first may have begun last); `sequence` is, see Debezium's PostgreSQL connector, "source.sequence".
    """
    sequence = source.get("sequence")
    if not sequence:
        gtid = source.get("gtid")
        return binlog_position(gtid, source) if gtid else None
    first, second = orjson.loads(sequence)
    return int(first or 0), int(second or 0)
