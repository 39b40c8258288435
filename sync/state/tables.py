"""The state's tables: row images and who points at whom, positions applied, documents owed and written.

Times that end in ``committed_at`` or ``owed_at`` are microseconds since 1970 by the source's clock;
other ``_at`` are seconds by the worker's clock. ``sequence`` counts the records applied for one mapping,
over all its sources, so that one number orders what several logs brought.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel


class MappingRecord(SQLModel, table=True):
    """An applied mapping, whole: a worker needs no file."""

    __tablename__ = "mapping"

    name: str = Field(primary_key=True)
    version: str
    model: str = Field(sa_column=Column(Text, nullable=False))
    lock: str | None = Field(default=None, sa_column=Column(Text))
    applied_at: float
    sequence: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))


class SourceRecord(SQLModel, table=True):
    """How far one source is applied: the design's ``progress``."""

    __tablename__ = "source"
    __table_args__ = (Index("source_name", "mapping", "name", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    mapping: str
    name: str
    topic: str
    topic_id: str | None = None
    epoch: int = 1
    offset: int = Field(default=-1, sa_column=Column("offset_", BigInteger, nullable=False, default=-1))
    last_hash: str | None = None
    heartbeat: str | None = None  # the last one applied: the next one must name it
    database_position: str | None = None
    open_transaction: str | None = None
    loaded: bool = False  # a first snapshot was completed
    snapshot_due: bool = False  # the log has a gap: a new snapshot must be asked for
    snapshot: str | None = Field(default=None, sa_column=Column(Text))  # the one under way, JSON
    committed_at: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
    heard_at: float = 0.0
    trouble: str | None = Field(default=None, sa_column=Column(Text))
    log_marks: str | None = Field(default=None, sa_column=Column(Text))  # by which another log is told, JSON
    drift: str | None = Field(default=None, sa_column=Column(Text))  # why a table cannot be read, by table, JSON
    shape_marks: str | None = Field(default=None, sa_column=Column(Text))  # of the tables at the last look, JSON


class TableRecord(SQLModel, table=True):
    """A mapped table by number: rows are many, names are long."""

    __tablename__ = "source_table"
    __table_args__ = (Index("source_table_name", "mapping", "name", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    mapping: str
    source_id: int
    name: str


class LookupRecord(SQLModel, table=True):
    """Columns of a table by whose values its rows are looked for."""

    __tablename__ = "lookup"
    __table_args__ = (Index("lookup_columns", "table_id", "columns", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    table_id: int
    columns: str  # JSON list of the mapping's column names


class RowRecord(SQLModel, table=True):
    """A row's latest image, by the mapping's column names. ``seen``: the latest snapshot that showed it."""

    __tablename__ = "row"
    __table_args__ = {"sqlite_with_rowid": False}

    table_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    image: str = Field(sa_column=Column(Text, nullable=False))
    seen: int = Field(default=0, sa_column=Column(Integer, nullable=False, default=0))


class ReferenceRecord(SQLModel, table=True):
    """Who points at whom: a row's join value for one lookup. NULL joins nothing and has no record."""

    __tablename__ = "reference"
    __table_args__ = (Index("reference_row", "lookup_id", "row_key"), {"sqlite_with_rowid": False})

    lookup_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    value: str = Field(sa_column=Column(Text, primary_key=True))
    row_key: str = Field(sa_column=Column(Text, primary_key=True))


class DocumentTypeRecord(SQLModel, table=True):
    """A kind of document, and the generation of its collection that lives."""

    __tablename__ = "document_type"
    __table_args__ = (Index("document_type_name", "mapping", "name", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    mapping: str
    name: str
    alias: str
    generation: int = 1
    trouble: str | None = Field(default=None, sa_column=Column(Text))  # what is wrong with its collection


class DocumentRecord(SQLModel, table=True):
    """A document: wanted is raised by changes, written is what Weaviate confirmed.

    ``priority`` is NULL when nothing is owed or the document is parked; otherwise 0 a direct change,
    1 fan-out, 2 backfill. ``sent_chunks`` is the highest chunk count ever noted as sent and not yet
    known to be pruned; ``sent`` the revision noted as sent and not yet confirmed.
    """

    __tablename__ = "document"
    __table_args__ = (
        Index("document_key", "type_id", "key", unique=True),
        Index(
            "document_owed",
            "priority",
            "owed_from",
            sqlite_where=text("priority IS NOT NULL"),
            postgresql_where=text("priority IS NOT NULL"),
        ),
        Index(
            "document_parked",
            "type_id",
            sqlite_where=text("parked IS NOT NULL"),
            postgresql_where=text("parked IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    type_id: int = Field(sa_column=Column(Integer, nullable=False))
    key: str = Field(sa_column=Column(Text, nullable=False))
    bucket: int = Field(sa_column=Column(SmallInteger, nullable=False))
    wanted: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
    written: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
    priority: int | None = Field(default=None, sa_column=Column(SmallInteger))
    owed_from: int | None = Field(default=None, sa_column=Column(BigInteger))
    owed_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    cause: str | None = Field(default=None, sa_column=Column(Text))
    sent: int | None = Field(default=None, sa_column=Column(BigInteger))
    sent_chunks: int = Field(default=0, sa_column=Column(Integer, nullable=False, default=0))
    chunks: int = Field(default=0, sa_column=Column(Integer, nullable=False, default=0))
    digest: str | None = None
    parked: str | None = Field(default=None, sa_column=Column(Text))
    parked_at: str | None = Field(default=None, sa_column=Column(Text))  # the position that it was built from in vain
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False, default=0))
    not_before: float = Field(default=0.0, sa_column=Column(Float, nullable=False, default=0.0))
    doubtful: bool = False


class ChunkRecord(SQLModel, table=True):
    """A written chunk's text hash and its embedding (float32, little endian): never bought twice."""

    __tablename__ = "chunk"
    __table_args__ = (Index("chunk_hash", "hash"), {"sqlite_with_rowid": False})

    document_id: int = Field(
        sa_column=Column(Integer, ForeignKey("document.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    )
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    hash: str
    vector: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class MarkerRecord(SQLModel, table=True):
    """A marker that came out of a source's log: everything committed before it has a lower sequence."""

    __tablename__ = "marker"

    token: str = Field(primary_key=True)
    source_id: int
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    seen_at: float


class AppliedRecord(SQLModel, table=True):
    """Which sequence stands for which position and commit time; pruned below the oldest owed."""

    __tablename__ = "applied"

    source_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    offset: int = Field(sa_column=Column("offset_", BigInteger, nullable=False))
    committed_at: int = Field(sa_column=Column(BigInteger, nullable=False))


class LedgerRecord(SQLModel, table=True):
    """What became of each owed document: written, removed, unchanged or parked, and why it was owed."""

    __tablename__ = "ledger"
    __table_args__ = (Index("ledger_document", "type_id", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    type_id: int
    key: str = Field(sa_column=Column(Text, nullable=False))
    outcome: str
    chunks: int = 0
    embedded: int = 0
    cause: str | None = Field(default=None, sa_column=Column(Text))
    committed_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    written_at: int = Field(sa_column=Column(BigInteger, nullable=False))  # microseconds, worker's clock


class DeadLetterRecord(SQLModel, table=True):
    """A record of a topic that could not be applied: position and reason, never a value.

    Until its row is shown whole again (by a change or a snapshot), or somebody discards it, nothing of its mapping is
    fresh. Then ``discarded`` says why it does no harm any more.
    """

    __tablename__ = "dead_letter"

    id: int | None = Field(default=None, primary_key=True)
    mapping: str
    source: str
    epoch: int
    offset: int = Field(sa_column=Column("offset_", BigInteger, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    source_table: str | None = None  # by the mapping's name, where the record tells
    row_key: str | None = Field(default=None, sa_column=Column(Text))
    found_at: float
    discarded: str | None = Field(default=None, sa_column=Column(Text))  # why somebody says that it does no harm


class BackfillRecord(SQLModel, table=True):
    """Tables that are to be read again while changes flow; ``id`` goes with the signal and comes back in its notices.

    ``outcome`` is NULL while it is under way; otherwise "complete", or why it is not.
    """

    __tablename__ = "backfill"

    id: str = Field(primary_key=True)
    source_id: int
    tables: str = Field(sa_column=Column(Text, nullable=False))  # JSON list, by the mapping's names
    condition: str | None = Field(default=None, sa_column=Column(Text))
    total: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))  # rows, estimated
    rows: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))  # shown
    changed: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))  # not as they were stored
    removed: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))  # gone at the source
    swept: bool = False  # whether rows that were not shown were taken for gone
    stopping: bool = False  # somebody asked for its end
    asked_at: float
    claimed_at: float | None = None  # a worker began to tell the connector
    started_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = Field(default=None, sa_column=Column(Text))


class WorkerRecord(SQLModel, table=True):
    """A worker that shares this state with others. Its row is its lease: whoever takes over deletes it first.

    ``session`` is the name under which its connections stand in ``pg_stat_activity``.
    """

    __tablename__ = "worker"

    id: int | None = Field(default=None, primary_key=True)
    name: str  # host and process, for people
    session: str
    started_at: float  # like expires_at seconds by the database's clock
    expires_at: float


class BucketRecord(SQLModel, table=True):
    """Which worker writes the documents of a bucket; NULL: nobody just now. ``generation`` counts the owners."""

    __tablename__ = "bucket"

    number: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    owner: int | None = Field(default=None, sa_column=Column(Integer, index=True))
    generation: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
