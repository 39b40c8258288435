"""MariaDB's and MySQL's types through the real connector: each reads as it should, or `lint --live` refuses it.

So are tables that Debezium cannot read at all, whatever of them is mapped; one that becomes such a table is parked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pipeline import wait_until
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import ON_MYSQL

if TYPE_CHECKING:
    from tests.support.stack import Stack

# type → (a value in SQL, how it reads)
READ = {
    "tinyint": ("-7", "-7"),
    "tinyint(1)": ("5", "5"),
    "smallint unsigned": ("65535", "65535"),
    "mediumint": ("-8388608", "-8388608"),
    "int unsigned": ("4294967295", "4294967295"),
    "int unsigned zerofill": ("42", "42"),
    "bigint": ("9007199254740993", "9007199254740993"),
    "bigint unsigned": ("18446744073709551615", "18446744073709551615"),
    "decimal(30,10)": ("12345678901234567890.5", "12345678901234567890.5000000000"),
    "decimal(10,2)": ("1234.5", "1234.50"),
    "numeric(8)": ("1234", "1234"),
    "float": ("0.1", "0.1"),
    "double": ("0.1", "0.1"),
    "double(10,3)": ("1.5", "1.5"),
    "bit": ("b'1'", "yes"),
    "bit(10)": ("b'101'", "0000000101"),
    "char(6)": ("'ab'", "ab"),
    "varchar(40)": ("'Zoë 🛫'", "Zoë 🛫"),
    "varchar(9) character set latin1": ("'Zoë'", "Zoë"),
    "tinytext": ("'ab'", "ab"),
    "text": ("'a b'", "a b"),
    "mediumtext": ("'a b'", "a b"),
    "longtext": ("'a b'", "a b"),
    "binary(4)": ("x'0102ff'", "AQL/AA=="),
    "varbinary(8)": ("x'0102ff'", "AQL/"),
    "tinyblob": ("x'0102ff'", "AQL/"),
    "blob": ("x'0102ff'", "AQL/"),
    "mediumblob": ("x'0102ff'", "AQL/"),
    "longblob": ("x'0102ff'", "AQL/"),
    "enum('on','it''s')": ("'it''s'", "it's"),
    "set('a','b')": ("'a,b'", "a,b"),
    "date": ("'2026-04-02'", "2 April 2026"),
    "datetime": ("'2026-04-02 10:15:00'", "2 April 2026, 10:15 UTC"),
    "datetime(6)": ("'2026-04-02 10:15:00.123456'", "2 April 2026, 10:15 UTC"),
    "timestamp": ("'2026-04-02 10:15:00'", "2 April 2026, 10:15 UTC"),
    "year": ("2026", "2026"),
    "json": ("""'{"n": 3, "city": "Rome"}'""", "city Rome, n 3"),
    "varchar(9) default (concat('a', 'b'))": ("default", "ab"),
    "int as (7 * 2) virtual": ("default", "14"),
    "int as (7 * 3) stored": ("default", "21"),
    "int invisible": ("5", "5"),
}
READ_BY = {"mariadb": {
    "uuid": ("'6CCD780C-baba-1026-9564-5b8c656024db'", "6ccd780c-baba-1026-9564-5b8c656024db"),
    "bigint default nextval(numbers)": ("default", "1"),
    "varchar(9) without system versioning": ("'ab'", "ab"),
}, "mysql": {}}  # fmt: skip
# They may stand beside the mapped columns.
UNMAPPED = {
    "time(3)": "'-10:15:30.5'", "point": "st_geomfromtext('POINT(1 2)')", "geometry": "null", "polygon": "null",
    "json": "'[]'", "set('a','b')": "'a'", "bit(10)": "b'1'", "int as (7 * 2) virtual": "default",
}  # fmt: skip
UNMAPPED_BY = {
    "mariadb": {"uuid": "uuid()", "uuid default uuid()": "default", "varchar(36) default (uuid())": "default"},
    "mysql": {
        "vector(3)": "to_vector('[1,2,3]')",
        "point srid 4326": "null",
        "varchar(36) default (uuid())": "default",
    },
}
REFUSED = {"time": "M230", "point": "M230", "polygon": "M230", "geometry": "M230", "geometrycollection": "M230"}
# Whether mapped or not; a table each. The cure is SQL that makes lint content, where there is such SQL.
UNREAD = {
    "ip inet4": "ip is of type inet4",
    "ip inet6 not null": "ip is of type inet6",
    "words text compressed": "words is compressed",
    "words varchar(90) compressed not null": "words is compressed",
    "a date, b date, period for p (a, b), unique (id, p without overlaps)": "a key is WITHOUT OVERLAPS",
    "line varchar(90) default (repeat('-', 3))": "line is made with repeat()",
    "a text, b datetime(6) as (cast(a as datetime(6))) virtual": "b is made with a cast to datetime(6)",
    "a date, b int as (a > date'2026-01-01') virtual": "b is made with a literal of type date",
    "a text check (cast(a as double) > 1)": "is made with a cast to double",
}


def mapping(tables: dict[str, list[str]]) -> str:
    """Each table with its mapped columns beside ``id``, and a document that shows them."""
    listed = "".join(
        f"  {table}: {{key: id, columns: {{id: {{}}, {', '.join(f'{name}: {{}}' for name in names)}}}}}\n"
        for table, names in tables.items()
    )
    text = {t: " ".join(f"{name}={{{{ {name} }}}};" for name in names) for t, names in tables.items()}
    documents = "".join(
        f"  {t[:-1]}:\n    root: {t}\n    chunk: {{max_tokens: 5000}}\n    text: '{text[t] or t}'\n" for t in tables
    )
    head = 'version: 1\nname: airline\nsource: {connector: postgres, url: "${AIRLINE_URL}", schema: public}\n'
    return f"{head}tables:\n{listed}documents:\n{documents}"


@pytest.fixture(params=[MariaDBPipeline, ON_MYSQL], ids=lambda each: each.kind)
def kind(request: pytest.FixtureRequest) -> type[MariaDBPipeline]:
    made: type[MariaDBPipeline] = request.param
    return made


@pytest.fixture
def database(
    kind: type[MariaDBPipeline], stack: Stack, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[MariaDBPipeline]:
    made = kind(stack, tmp_path, mapping=request.param(kind.kind))
    made.create_database()
    try:
        yield made
    finally:
        made.close()


def named(types: dict[str, object], letter: str) -> dict[str, str]:
    return {f"{letter}{number}": type_ for number, type_ in enumerate(types)}


def all_read(kind: str) -> dict[str, tuple[str, str]]:
    return READ | READ_BY[kind]


def reading(kind: str) -> str:
    return mapping({"bookings": list(named(dict(all_read(kind)), "c")), "flights": ["words"]})


@pytest.mark.parametrize("database", [reading], indirect=True, ids=[""])
def test_every_type_reads_as_the_page_says_from_snapshot_and_log_and_in_show(database: MariaDBPipeline) -> None:
    types, beside = all_read(database.kind), UNMAPPED | UNMAPPED_BY[database.kind]
    columns = named(dict(types), "c") | named(dict(beside), "u")
    if database.kind == "mariadb":
        database.sql("create sequence numbers")
    database.sql(f"create table bookings (id int primary key, {', '.join(' '.join(c) for c in columns.items())})")
    database.sql("create table flights (id int primary key, words text); insert into flights values (1, 'x')")
    values = ", ".join([*(value for value, _ in types.values()), *beside.values()])
    insert = f"insert into bookings (id, {', '.join(columns)}) values"
    database.sql(f"{insert} (1, {values})")
    database.apply()
    database.start_worker()
    database.wait_loaded()
    shown = " ".join(f"{name}={types[type_][1]};" for name, type_ in columns.items() if name[0] == "c")
    looked = database.command("show", "booking", "1", "--file", str(database.file), "--json").stdout
    assert shown in " ".join(json.loads(looked)["text"].split())
    database.sql(f"{insert} (3, {values}); update bookings set id = 4 where id = 1; {insert} (1, {values})")
    database.wait()
    found = {key: text.split("\n", 1)[1].strip() for (key, _), text in database.objects().items()}
    for name in (name for name, type_ in columns.items() if "nextval" in type_):  # it counts on
        found = {key: re.sub(rf"{name}=\d+;", f"{name}=1;", text) for key, text in found.items()}
    assert found == dict.fromkeys(("1", "3", "4"), shown)


def refusing(kind: str) -> str:
    return mapping({"bookings": list(named(dict(REFUSED), "c")), **({f"t{n}s": [] for n in range(len(UNREAD))}
                                                                   if kind == "mariadb" else {})})  # fmt: skip


@pytest.mark.parametrize("database", [refusing], indirect=True, ids=[""])
def test_what_cannot_be_read_is_refused_with_its_cure_before_anything_is_made(database: MariaDBPipeline) -> None:
    columns = named(dict(REFUSED), "c")
    database.sql(f"create table bookings (id int primary key, {', '.join(' '.join(c) for c in columns.items())})")
    unread = UNREAD if database.kind == "mariadb" else {}
    for number, definition in enumerate(unread):
        database.sql(f"create table t{number}s (id int primary key, {definition})")
    database.file.write_text(database.mapping_text)
    done = database.command("lint", str(database.file), "--live", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for name, type_ in columns.items():
        assert [line for line in lines if f" {REFUSED[type_]} error " in line and f" column {name} " in line], done
    for number, what in enumerate(unread.values()):
        table = f".t{number}s: the connector cannot read that "
        assert [line for line in lines if " M242 error " in line and table in line and what in line], (what, done)
    assert database.command("apply", str(database.file), "--auto-approve", check=False).returncode == 1
    assert not database.query("show tables like 'headrace%'")
    for cure in re.findall(r"(alter table [^;]+;)", done.stdout):
        database.sql(cure)
    left = database.command("lint", str(database.file), "--live", check=False).stdout
    mended = [n for n, definition in enumerate(unread) if "inet" in definition or "compressed" in definition]
    assert not [n for n in mended if f".t{n}s: the connector" in left], left


def serving(kind: str) -> str:
    return mapping({"bookings": ["words"], "flights": ["words"]})


@pytest.mark.parametrize("kind", [MariaDBPipeline], ids=["mariadb"])
@pytest.mark.parametrize("database", [serving], indirect=True, ids=[""])
def test_a_table_that_cannot_be_read_any_more_is_parked_and_all_others_go_on(database: MariaDBPipeline) -> None:
    """Two statements, so that the one that comes while it is left out does not end the connector again."""
    for table in ("bookings", "flights"):
        database.sql(f"create table {table} (id int primary key, words text); insert into {table} values (1, 'one')")
    database.apply()
    database.start_worker()
    database.wait_loaded()
    database.sql("alter table bookings add column ip inet6; insert into bookings values (2, 'two', '::1')")
    wait_until("its documents to be parked", lambda: database.statuses()["booking"].parked >= 1, every=0.3)
    trouble = database.statuses()["booking"].trouble or ""
    assert "cannot read that column ip is of type inet6" in trouble
    assert "change the table back" in trouble
    wait_until("the others to be read again", lambda: database.statuses()["flight"].state == "fresh", 90, every=0.3)
    database.sql("alter table bookings add column other inet4; update flights set words = 'changed'")
    wait_until("the others to go on", lambda: _words(database, "Flight") == {"1": "changed"}, 90, every=0.3)
    database.sql("alter table bookings drop column other, modify ip varchar(39)")
    wait_until("the table to be read again", lambda: _words(database, "Booking") == {"1": "one", "2": "two"}, 90, 0.3)
    database.sql("update bookings set words = 'changed, too' where id = 2")
    database.wait()
    assert _words(database, "Booking") == {"1": "one", "2": "changed, too"}


def _words(database: MariaDBPipeline, document: str) -> dict[str, str]:
    return {key: text.split("words=")[-1].rstrip(";") for (key, _), text in database.objects(document).items()}


def test_the_page_for_dbas_lists_these_types() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "dba.md").read_text().split("## MariaDB and MySQL")[1]
    for kind in [*READ, *READ_BY["mariadb"], *REFUSED, "inet4", "inet6"]:
        assert f"`{kind.split('(')[0].split()[0]}`" in page, kind
