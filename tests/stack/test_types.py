"""PostgreSQL's types through the real connector: each reads as it should, or `lint --live` refuses its column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.support.stack import Stack

SETUP = """
create extension if not exists hstore; create extension if not exists citext;
create type mood as enum ('so so', 'fine'); create domain price as numeric(8,2); create type pair as (a int, b text);
"""
# type → (a value in SQL, how it reads)
READ = {
    "smallint": ("7", "7"),
    "bigint": ("9007199254740993", "9007199254740993"),
    "numeric": ("1234.50", "1234.5"),
    "numeric(40,9)": ("123456789012345678901234567890.1234567891", "123456789012345678901234567890.123456789"),
    "numeric(10,2)": ("1234.5", "1234.50"),
    "numeric(10)": ("'NaN'", "not a number"),
    "real": ("0.1", "0.1"),
    "double precision": ("0.1", "0.1"),
    "money": ("1234.56", "1234.56"),
    "price": ("12.5", "12.50"),
    "boolean": ("true", "yes"),
    "char(5)": ("'ab'", "ab"),
    "citext": ("'MiXed'", "MiXed"),
    "uuid": ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "mood": ("'so so'", "so so"),
    "json": ("""'{"b": [true, null], "a": 1.50}'""", "a 1.5, b yes, not recorded"),
    "jsonb": ("""'{"n": 3, "city": "Rome"}'""", "city Rome, n 3"),
    "hstore": ("'a=>1, b=>NULL'", "a 1, b not recorded"),
    "integer[]": ("'{1,2,NULL}'", "1, 2, not recorded"),
    "bigint[]": ("'{9007199254740993}'", "9007199254740993"),
    "text[]": ("""'{a,"b c"}'""", "a, b c"),
    "uuid[]": ("'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "jsonb[]": ("""array['{"a": 1}'::jsonb]""", "a 1"),
    "int4range": ("'[1,5)'", "[1,5)"),
    "numrange": ("'(1.5,)'", "(1.5,)"),
    "daterange": ("'[2026-01-01,2026-02-01)'", "[2026-01-01,2026-02-01)"),
    "tstzrange": ("'[2026-01-01 10:00+00,)'", '["2026-01-01 10:00:00+00",)'),
    "bytea": (r"'\x0102ff'", "AQL/"),
    "interval": ("'1 year 2 days 03:04:05.5'", "1 year 2 days 3 hours 4 minutes 5.5 seconds"),
    "date": ("'2026-04-02'", "2 April 2026"),
    "time": ("'10:15:30'", "10:15:30"),
    "timetz": ("'10:15+02'", "08:15 UTC"),
    "timestamp": ("'2026-04-02 10:15'", "2 April 2026, 10:15 UTC"),
    "timestamptz": ("'2026-04-02 10:15+02'", "2 April 2026, 08:15 UTC"),
    "inet": ("'10.0.0.1/24'", "10.0.0.1/24"),
    "macaddr": ("'08:00:2b:01:02:03'", "08:00:2b:01:02:03"),
    "bit(3)": ("B'101'", "101"),
    "xml": ("'<a>b</a>'", "<a>b</a>"),
    "tsvector": ("'fat:1 cat:2'", "'cat':2 'fat':1"),
}
REFUSED = {
    "int4multirange": "M230", "pair": "M230", "pair[]": "M230", "point": "M230", "box": "M230", "polygon": "M230",
    "tsquery": "M230", "pg_lsn": "M230", "jsonpath": "M230", "interval[]": "M230", "money[]": "M230", "xml[]": "M230",
    "integer[][]": "M230", "numeric[]": "M231", "date[]": "M231", "mood[]": "M231", "varbit": "M231",
}  # fmt: skip
NAMES = {kind: f"c{number}" for number, kind in enumerate([*READ, *REFUSED])}

MAPPING = f"""
version: 1
name: airline
source: {{connector: postgres, url: "${{AIRLINE_URL}}", schema: public}}
tables:
  bookings: {{columns: {{id: {{}}, {", ".join(f"{NAMES[kind]}: {{}}" for kind in READ)}}}}}
  flights: {{key: [a, b], columns: {{a: {{}}, b: {{}}, words: {{}}}}}}
documents:
  booking:
    root: bookings
    chunk: {{max_tokens: 5000}}
    text: |
      {" ".join(f"{NAMES[kind]}={{{{ {NAMES[kind]} }}}};" for kind in READ)}
  flight:
    root: flights
    text: "{{{{ words }}}}"
"""
REFUSED_MAPPING = f"""
version: 1
name: airline
source: {{connector: postgres, url: "${{AIRLINE_URL}}", schema: public}}
tables:
  bookings: {{key: id, columns: {{id: {{}}, twice: {{}}, {", ".join(f"{NAMES[kind]}: {{}}" for kind in REFUSED)}}}}}
  flights: {{key: a, columns: {{a: {{}}}}}}
documents:
  booking: {{root: bookings}}
  flight: {{root: flights}}
"""


@pytest.fixture
def database(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(stack, tmp_path, mapping=MAPPING)
    made.create_database()
    try:
        made.sql(SETUP)
        yield made
    finally:
        made.close()


def row(number: int) -> str:
    return f"insert into bookings values ({number}, {', '.join(value for value, _ in READ.values())})"


def test_every_type_reads_as_the_page_says_from_snapshot_and_log(database: Pipeline) -> None:
    columns = ", ".join(f"{NAMES[kind]} {kind}" for kind in READ)
    database.sql(f"create table bookings (id int primary key, {columns}); {row(1)}; insert into bookings values (2)")
    # No primary key, but the mapping says what tells the rows apart, and the log carries it of a deleted one.
    database.sql("create table flights (a int not null, b int not null, words text, unique (a, b))")
    database.sql("alter table flights replica identity full; insert into flights values (1, 1, 'gone'), (1, 2, 'x')")
    database.apply()
    database.start_worker()
    database.wait_loaded()
    database.sql(f"{row(3)}; update bookings set id = 4 where id = 1; {row(1)}")
    database.sql("delete from flights where b = 1; update flights set words = 'changed', b = 3 where b = 2")
    database.wait()
    whole = " ".join(f"{NAMES[kind]}={text};" for kind, (_, text) in READ.items())
    empty = " ".join(f"{NAMES[kind]}=not recorded;" for kind in READ)
    found = {key: text.split("\n", 1)[1].strip() for (key, _), text in database.objects().items()}
    assert found == {"1": whole, "2": empty, "3": whole, "4": whole}
    assert {key: text.split("\n")[-1] for (key, _), text in database.objects("Flight").items()} == {"[1,3]": "changed"}


def test_what_cannot_be_read_is_refused_with_its_column_before_anything_is_made(database: Pipeline) -> None:
    columns = ", ".join(f"{NAMES[kind]} {kind}" for kind in REFUSED)
    generated = "twice int generated always as (id * 2) stored"
    database.sql(f"create table bookings (id int primary key, {generated}, {columns}); create table flights (a int)")
    database.file.write_text(REFUSED_MAPPING.replace("name: airline", f"name: {database.name}"))
    done = database.command("lint", str(database.file), "--live", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for kind, code in {**REFUSED, "generated": "M222", "no key": "M220"}.items():
        name = {"generated": "column twice", "no key": "public.flights"}.get(kind, f"column {NAMES.get(kind)} ")
        assert [line for line in lines if f" {code} error " in line and name in line], (kind, code, done.stdout)
    assert database.command("apply", str(database.file), "--auto-approve", check=False).returncode == 1


def test_the_page_for_dbas_lists_these_types() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "dba.md").read_text()
    for kind in [*READ, *REFUSED]:
        name = kind.split("(")[0]
        assert f"`{name}`" in page or name in ("price", "mood", "pair", "mood[]", "pair[]"), kind
