"""Workers that share a state in PostgreSQL: who lives, and who writes the documents of which bucket.

A worker's row is its lease. It extends it every second or so; when it has not done so for ``LEASE`` seconds by the
database's clock, another worker deletes the row and with it takes over what it held, in one transaction. Every
transaction in which a worker notes or confirms a write holds its own row (FOR KEY SHARE): such a transaction is either
over before a takeover, and then seen by it, or finds no row and changes nothing. Hence a worker that was stopped and
wakes up again is fenced, whatever it believes. Ids are never used twice: an id is the fencing token.

A bucket changes hands only over nobody: its owner gives it up when nothing of it is in flight, or is dead.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, bindparam, cast, delete, extract, func, insert, select, update

from sync.errors import Fenced
from sync.state.database import State
from sync.state.documents import Documents
from sync.state.owed import BUCKETS
from sync.state.prepared import among
from sync.state.registry import BUCKET, DOCUMENT, WORKER

LEASE = 10.0
SHARING = 0x68656165  # an advisory lock: one worker at a time shares out

_NOW = extract("epoch", func.clock_timestamp())
_HOLD = select(WORKER.c.id).where(WORKER.c.id == bindparam("id")).with_for_update(read=True, key_share=True)

_THESE = select(DOCUMENT.c.id).where(among(DOCUMENT.c.id, "ids"))
_FREE = _THESE.with_for_update(key_share=True, skip_locked=True)
_ONE = _THESE.order_by(DOCUMENT.c.id).limit(1).with_for_update(key_share=True)


@dataclass(frozen=True, slots=True)
class Member:
    """A worker that lives, and how many buckets it has."""

    name: str
    buckets: int


def join(state: State, name: str) -> int:
    """Become one of the workers; returns the id, which is the token that fences."""
    with state.write() as connection:
        numbers = [{"number": number, "generation": 0} for number in range(BUCKETS)]
        connection.execute(state.insert(BUCKET).on_conflict_do_nothing(), numbers)
        row = insert(WORKER).values(name=name, session=state.session, started_at=_NOW, expires_at=_NOW + LEASE)
        return int(connection.execute(row.returning(WORKER.c.id)).scalar_one())


def extend(state: State, worker: int) -> float | None:
    """Extend the lease; returns the database's time, or None where somebody has taken over from us.

    A row that still stands may be extended though it has expired: nobody has taken anything yet.
    """
    with state.write() as connection:
        mine = update(WORKER).where(WORKER.c.id == worker).values(expires_at=_NOW + LEASE).returning(_NOW)
        found = connection.execute(mine).scalar_one_or_none()
        return None if found is None else float(found)


def hold(state: State, connection: Connection, worker: int) -> None:
    """Keep others from taking over until this transaction ends. Raises Fenced where they already have."""
    if not state.prepare(_HOLD).run(connection, {"id": worker}).all():
        raise Fenced("this worker was taken for dead: others write its documents now")


def end_sessions_of_the_dead(state: State) -> int:
    """Close the connections of workers whose lease has expired: one that was stopped may hold locks for ever."""
    named = "SELECT session FROM worker WHERE expires_at < extract(epoch FROM clock_timestamp())"
    with state.write() as connection:
        found = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            f"AND datname = current_database() AND usename = current_user AND application_name IN ({named})"
        )
        return len(found.all())


def take_over(state: State, wait: float) -> list[int]:
    """Free the buckets of the dead; what they had sent and never confirmed is doubtful for ``wait`` seconds.

    Returns those buckets. Raises StateConflict: nothing was done then.
    """
    with state.write() as connection:
        _take_turns(connection)
        dead = connection.execute(delete(WORKER).where(WORKER.c.expires_at < _NOW).returning(WORKER.c.id)).scalars()
        numbers = _free(connection, list(dead))
        Documents(state).inherit(wait, connection, numbers)
        return numbers


def _free(connection: Connection, workers: list[int]) -> list[int]:
    if not workers:
        return []
    theirs = update(BUCKET).where(BUCKET.c.owner.in_(workers)).values(owner=None).returning(BUCKET.c.number)
    return list(connection.execute(theirs).scalars())


def share(state: State, worker: int) -> tuple[set[int], int]:
    """Take free buckets up to our share; returns those we have, and how many of them are too many.

    Raises Fenced, StateConflict.
    """
    with state.write() as connection:
        _take_turns(connection)
        hold(state, connection, worker)
        living = list(connection.execute(select(WORKER.c.id).order_by(WORKER.c.id)).scalars())
        mine = set(connection.execute(select(BUCKET.c.number).where(BUCKET.c.owner == worker)).scalars())
        place, others = living.index(worker), len(living)
        fair = BUCKETS // others + (place < BUCKETS % others)
        if len(mine) < fair:
            mine |= _take(connection, worker, fair - len(mine))
        return mine, max(0, len(mine) - fair)


def _take(connection: Connection, worker: int, count: int) -> set[int]:
    free = select(BUCKET.c.number).where(BUCKET.c.owner.is_(None)).order_by(BUCKET.c.number).limit(count)
    taken = (
        update(BUCKET)
        .where(BUCKET.c.number.in_(free))
        .values(owner=worker, generation=BUCKET.c.generation + 1)
        .returning(BUCKET.c.number)
    )
    return set(connection.execute(taken).scalars())


def release(state: State, worker: int, buckets: Collection[int]) -> None:
    """Give up buckets of which nothing is in flight. Raises StateConflict."""
    with state.write() as connection:
        _take_turns(connection)
        ours = (BUCKET.c.owner == worker, BUCKET.c.number.in_(list(buckets)))
        connection.execute(update(BUCKET).where(*ours).values(owner=None))


def leave(state: State, worker: int) -> None:
    """Stop being one of the workers; nothing may be in flight. Raises StateConflict."""
    with state.write() as connection:
        _take_turns(connection)
        _free(connection, [worker])
        connection.execute(delete(WORKER).where(WORKER.c.id == worker))


def _take_turns(connection: Connection) -> None:
    # A worker that was stopped in its turn must not keep the others from extending their leases.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
    connection.execute(select(func.pg_advisory_xact_lock(cast(SHARING, BigInteger))))


def changeable(state: State, connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of these documents that nobody else is changing, locked; where somebody changes all, one is waited for.

    Empty where none exists any more. Who holds documents never waits for more, so that no two transactions wait for
    each other, whatever the order in which apply, which may wait, comes to its documents.
    """
    free = state.prepare(_FREE).run(connection, {"ids": list(ids)}).scalars()
    return set(free or state.prepare(_ONE).run(connection, {"ids": list(ids)}).scalars())


def members(connection: Connection) -> list[Member]:
    """The workers whose lease has not expired, oldest first; none where the state is SQLite."""
    if connection.dialect.name == "sqlite":
        return []
    count = func.count(BUCKET.c.number)
    found = connection.execute(
        select(WORKER.c.name, count)
        .outerjoin(BUCKET, BUCKET.c.owner == WORKER.c.id)
        .where(WORKER.c.expires_at > _NOW)
        .group_by(WORKER.c.id)
        .order_by(WORKER.c.id)
    )
    return [Member(*row) for row in found]
