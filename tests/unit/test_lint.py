"""Lint: every mistake named with its file, line, column and cure; and nothing said against what is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sync.mapping.findings import CODES, Finding, nearest, shown
from sync.mapping.lint import lint
from sync.mapping.load import load
from sync.mapping.lock import Lock, LockColumn, LockTable, SourceLock

SYNC = Path(__file__).parents[2] / "sync"
AIRLINE = Path(__file__).parents[2] / "mappings" / "airline.yml"
TEXT = AIRLINE.read_text()
LOCK = load(AIRLINE).lock


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLINE_URL", "postgresql://nobody@nowhere/airline")


def findings(text: str, lock: Lock | None = LOCK) -> list[Finding]:
    return lint(load("airline.yml", text, lock=lock))


def changed(old: str, new: str, lock: Lock | None = LOCK) -> list[str]:
    """What lint says of the airline's mapping with one thing changed, as one line each."""
    assert TEXT.count(old) == 1, f"{old!r} stands {TEXT.count(old)} times in airline.yml"
    return [str(finding) for finding in findings(TEXT.replace(old, new), lock)]


def line(text: str) -> int:
    """The line of airline.yml that holds ``text``."""
    return TEXT[: TEXT.index(text)].count("\n") + 1


def test_nothing_is_said_against_the_mapping_that_ships() -> None:
    assert findings(TEXT) == []
    assert findings(TEXT, lock=None) == []


def test_a_finding_is_one_line_for_people_and_fields_for_programs() -> None:
    finding = Finding("a.yml", 3, 7, "M102", "error", "no column x")
    assert str(finding) == "a.yml:3:7 M102 error no column x"
    assert finding.to_json() == {
        "file": "a.yml", "line": 3, "column": 7, "code": "M102", "severity": "error", "message": "no column x"
    }  # fmt: skip


def test_every_code_that_is_used_has_its_line_and_every_line_its_use() -> None:
    code = re.compile(r'"(M[0-9]{3})"')
    sources = [p for p in (SYNC / "mapping").rglob("*.py") if p.name != "findings.py"]
    used = {found for path in sources for found in code.findall(path.read_text())}
    assert used == set(CODES)


def test_the_nearest_valid_name_is_offered_else_all_of_them() -> None:
    assert nearest("Costumers", ["customers", "flights"]) == " (nearest: customers)"
    assert nearest("zzz", ["b", "a"]) == " (valid: a, b)"
    assert nearest("zzz", []) == ""
    assert nearest("z" * 10_000, ["a"]) == ""


def test_a_name_that_is_shown_stays_in_its_line() -> None:
    assert shown("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert len(shown("x" * 500)) == 80


# --- tables and columns


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "root: bookings",
            "root: booking",
            "M101 error document booking: no table booking under tables: (nearest: bookings)",
        ),
        (
            "{one: customers, by: customer_id}",
            "{one: custs, by: customer_id}",
            "M101 error relation customer: no table custs",
        ),
        (
            "many: tickets, by: booking_id",
            "many: tickets, by: bookingid",
            "has no column bookingid (nearest: booking_id)",
        ),
        (
            "order: seq_no",
            "order: -seqno",
            "M102 error relation tickets: table tickets has no column seqno (nearest: seq_no)",
        ),
        ("key: customer_id", "key: customerid", "M102 error key: table customers has no column customerid"),
        (
            "pnr:         {label",
            "pnrr:        {label",
            "M102 error table public.bookings of the lock has no column pnrr (nearest: pnr)",
        ),
        (
            "tickets:\n    key:",
            "tikets:\n    key:",
            "M101 error no table public.tikets in the lock (nearest: public.tickets)",
        ),
    ],
)
def test_an_unknown_table_or_column_names_the_nearest(old: str, new: str, expected: str) -> None:
    assert any(expected in said for said in changed(old, new)), changed(old, new)


def test_an_unlisted_column_that_the_table_has_says_how_to_list_it() -> None:
    (said,) = changed("filters: [pnr, booked_at", "where: {channel_cd: WEB}\n    filters: [pnr, booked_at")
    assert said.endswith(
        "M102 error document booking: table bookings has no column channel_cd;"
        " the table has it: list it under tables.bookings.columns"
    )


def test_without_a_lock_less_is_said_and_nothing_fails() -> None:
    assert changed("pnr:         {label", "pnr: {label: x}\n      nothere: {label", lock=None) == []
    assert [s.split()[1] for s in changed("    key: flight_id\n", "", lock=None)] == ["M105"]


def test_the_key_that_the_lock_knows_needs_not_be_written() -> None:
    assert changed("    key: [booking_id, seq_no]\n", "") == []


def test_a_key_that_nothing_keeps_unique_is_refused() -> None:
    (said,) = changed("key: [booking_id, seq_no]", "key: [booking_id, flight_id]")[:1]
    assert "M105 error nothing in the database keeps booking_id, flight_id unique" in said


def test_a_key_column_that_is_not_listed_is_named() -> None:
    said = changed("      seq_no:     {label: leg}\n", "")
    assert any("M102 error key: table tickets has no column seq_no; the table has it: list it" in s for s in said)


def test_a_column_or_table_mapped_twice_is_named() -> None:
    said = changed("dist_nm:   {label: distance", "far: {column: dist_nm}\n      dist_nm:   {label: distance")
    assert [s.split(" ", 1)[1] for s in said] == ["M113 error column dist_nm is mapped as far already"]


def test_a_source_that_is_not_there_or_not_said_is_named() -> None:
    one = '{connector: postgres, url: "${AIRLINE_URL}"}'
    sources = f"sources: {{air: {one}, crm: {one}}}"
    text = TEXT.replace('source: {connector: postgres, url: "${AIRLINE_URL}", schema: public}', sources)
    text = text.replace("customers:\n    key", "customers:\n    source: cmr\n    key")
    said = [str(f) for f in findings(text, lock=None)]
    assert "M104 error no source cmr (nearest: crm)" in said[0]
    assert "M104 error table flights does not say which source it is in (valid: air, crm)" in said[1]


def test_no_source_and_two_kinds_of_source_are_refused() -> None:
    source = 'source: {connector: postgres, url: "${AIRLINE_URL}", schema: public}\n'
    assert any("M015 error no source" in s for s in changed(source, ""))
    assert any(
        "M015 error both source: and sources:" in s
        for s in changed(source, source + "sources: {a: {connector: mysql}}\n")
    )


@pytest.mark.parametrize("connector", ["s3", "salesforce"])
def test_a_connector_that_is_not_there_yet_says_so(connector: str) -> None:
    (said,) = changed("connector: postgres", f"connector: {connector}")
    assert (
        said == f"airline.yml:{line('source:')}:21 M160 error connector {connector} is not supported yet"
        " (valid: mariadb, mysql, postgres)"
    )


@pytest.mark.parametrize("connector", ["mysql", "mariadb"])
def test_the_other_databases_are_no_finding(connector: str) -> None:
    assert changed("connector: postgres", f"connector: {connector}", lock=None) == []


def test_a_password_in_the_url_is_told_and_not_repeated() -> None:
    (said,) = changed('"${AIRLINE_URL}"', '"postgresql://me:hunter2@db/airline"')
    assert "M162 warning" in said
    assert "hunter2" not in said
    assert changed('"${AIRLINE_URL}"', '"postgresql://me:${AIRLINE_URL}@db/airline"') == []


def test_a_variable_that_is_not_set_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRLINE_URL")
    assert [str(f) for f in findings(TEXT)] == [
        f"airline.yml:{line('source:')}:36 M161 warning the environment variable AIRLINE_URL is not set here;"
        " it must be when it runs"
    ]


def test_a_variable_without_a_name_is_an_error() -> None:
    assert "M014 error ${…} must hold the name" in changed("${AIRLINE_URL}", "${}")[0]


# --- values, units, zones


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("values: {B: Blue, S: Silver, G: Gold}", "values: {}", "M110 error the code list of tier_cd is empty"),
        ("B: Blue", "B: ''", "M110 error code B has no words"),
        ("values: {B: Blue, S: Silver, G: Gold}", "values: tiers", "M022 error"),
        (
            "type: timestamp, timezone: UTC}\n      dist",
            "type: timestamp, timezone: Rome}\n      dist",
            "M112 error no timezone Rome",
        ),
        ("{label: from}", "{label: from, scale: 0.1}", "M111 error scale: on origin, which is character(3)"),
        ("{label: from}", "{label: from, unit: km}", "M111 warning unit: on origin"),
        ("{label: from}", "{label: from, timezone: UTC}", "M111 warning timezone: on origin"),
        ("{label: from}", "{label: from, fields: {a: b}}", "M111 error fields: on origin"),
        ("{label: from}", "{label: from, unknown: keep}", "M111 warning unknown: has no effect without values:"),
        ("unit: EUR, scale", "unit: {column: curr}, scale", "M102 error unit: table bookings has no column curr"),
        (
            "type: timestamp, timezone: UTC}\n      total",
            "timezone: UTC, stored_in: Mars}\n      total",
            "M112 error no timezone Mars",
        ),
    ],
)
def test_what_a_column_says_of_its_values_is_checked(old: str, new: str, expected: str) -> None:
    said = changed(old, new)
    assert any(expected in s for s in said), said


def test_codes_of_the_catalogue_without_words_are_told() -> None:
    table = LockTable(
        key=("id",), columns={"id": LockColumn(type="integer"), "st": LockColumn(type="state", values=("A", "B"))}
    )
    lock = Lock(sources={"x": SourceLock(connector="postgres", tables={"public.t": table})})
    text = 'version: 1\nname: x\nsource: {connector: postgres, url: "${AIRLINE_URL}"}\n'
    text += "tables: {t: {columns: {id: id, st: {values: {A: a}}}}}\ndocuments: {}\n"
    (finding,) = findings(text, lock)
    assert (finding.code, finding.severity) == ("M110", "warning")
    assert "codes without words here: B" in finding.message
    assert findings(text.replace("{values: {A: a}}", "{values: {A: a}, unknown: keep}"), lock) == []


def test_a_table_of_code_words_is_looked_up() -> None:
    new = "{label: fare, values: {table: farez, code: cd, words: txt}}"
    (said,) = changed("{label: fare, values: {Y: economy, J: business, F: first}}", new)[:1]
    assert "M101 error values: no table farez" in said


# --- privacy


def test_a_private_column_in_a_key_is_refused() -> None:
    said = changed(
        "customer_id: {label: customer number}\n      full_name",
        "customer_id: {label: x, pii: document}\n      full_name",
    )
    assert any(f"airline.yml:{line('full_name:') - 1}:7 M120 error customer_id is personal data" in s for s in said), (
        said
    )


@pytest.mark.parametrize("column", ["customer.full_name", "customer.email", "customer.passport_no"])
def test_personal_data_in_a_filter_is_refused(column: str) -> None:
    (said,) = changed("filters: [pnr, booked_at, customer.tier_cd]", f"filters: [pnr, {column}]")
    where = f"airline.yml:{line('filters: [pnr')}:20"
    assert said.startswith(f"{where} M122 error filter {column} is personal data (pii: ")


@pytest.mark.parametrize("column", ["full_name", "email"])
def test_nothing_joins_by_what_is_masked_or_dropped(column: str) -> None:
    said = changed("{one: customers, by: customer_id}", f"{{one: customers, by: {{pnr: {column}}}}}")
    assert any("M121 error" in s and "nothing can join by it; use hash" in s for s in said), said


def test_a_hash_joins_with_a_hash_alone() -> None:
    one_side = changed(
        "{one: customers, by: customer_id}", "{one: customers, by: {pnr: passport_no}, order: customer_id}"
    )
    assert any("one side alone is hashed, so they never join" in s for s in one_side)
    text = TEXT.replace("{label: booking reference}", "{label: booking reference, pii: document}").replace(
        "{one: customers, by: customer_id}", "{one: customers, by: {pnr: passport_no}, order: customer_id}"
    )
    assert not [f for f in findings(text) if f.code == "M121"]


@pytest.mark.parametrize(
    "condition",
    ["where: {full_name: M}, ", "where: {email: {not: null}}, ", "where: {passport_no: x}, ", "order: full_name, "],
)
def test_a_private_column_in_a_condition_or_an_order_is_refused(condition: str) -> None:
    (said,) = changed("{one: customers, by: customer_id}", f"{{{condition}one: customers, by: customer_id}}")
    assert "M121 error relation customer: " in said


def test_a_privacy_class_that_is_not_listed_is_a_warning() -> None:
    said = changed("pii: contact", "pii: contacts")
    assert said == [
        f"airline.yml:{line('pii: contact')}:41 M123 warning privacy: does not list contacts,"
        " so the column is dropped (nearest: contact)"
    ]


@pytest.mark.parametrize("kind", ["integer", "date", "uuid", "citext", "jsonb", "text[]", "inet"])
def test_a_mask_or_hash_that_the_connector_cannot_do_asks_for_drop(kind: str) -> None:
    assert LOCK is not None
    table = LOCK.sources["airline"].tables["public.customers"]
    columns = {**table.columns, "full_name": LockColumn(type=kind)}
    lock = Lock(
        sources={
            "airline": SourceLock(
                connector="postgres",
                tables={
                    **LOCK.sources["airline"].tables,
                    "public.customers": table.model_copy(update={"columns": columns}),
                },
            )
        }
    )
    (finding,) = findings(TEXT, lock)
    assert finding.code == "M124"
    assert f"not {kind}: give it a class that is dropped" in finding.message


def test_a_mask_on_a_number_is_refused_without_a_lock_too() -> None:
    said = changed(
        "full_name:   {label: name, pii: name}", "full_name:   {label: name, type: integer, pii: name}", lock=None
    )
    assert [s.split()[1] for s in said] == ["M124"]


# --- relations, conditions, limits


def test_a_relation_to_nowhere_is_named_and_what_hangs_on_it_is_not() -> None:
    said = changed("{one: customers, by: customer_id}", "{one: nowhere, by: customer_id}")
    where = f"airline.yml:{line('{one: customers')}:23"
    assert said == [
        f"{where} M101 error relation customer: no table nowhere under tables:"
        " (valid: bookings, customers, flights, tickets)"
    ]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            "{one: customers, by: [customer_id, pnr]}",
            "M103 error relation customer: by: names 2 column(s), but the key of customers has 1",
        ),
        (
            "{one: tickets, by: booking_id}",
            "M103 error relation customer: by: names 1 column(s), but the key of tickets has 2 (booking_id, seq_no)",
        ),
        ("{one: customers, by: {}}", "M103 error relation customer: by: is empty"),
        ("{by: customer_id}", "M015 error relation customer says neither `one` nor `many`"),
        ("{one: customers, many: tickets, by: customer_id}", "M015 error relation customer says both `one` and `many`"),
        ("{one: customers, by: {customer_id: tier_cd}}", "M107 warning relation customer: several rows of customers"),
        (
            "{one: customers, by: customer_id, limit: 3}",
            "M111 warning relation customer: limit: has no effect on `one`",
        ),
    ],
)
def test_relations_must_pair(new: str, expected: str) -> None:
    said = changed("{one: customers, by: customer_id}", new)
    assert any(expected in s for s in said), said


def test_a_limit_without_an_order_is_refused() -> None:
    (said,) = changed("order: seq_no, limit: 50", "limit: 50")
    assert "M150 error relation tickets: limit: without order:" in said


def test_a_relation_that_hides_a_column_is_a_warning() -> None:
    said = changed("      customer: {one: customers, by: customer_id}", "      pnr: {one: customers, by: customer_id}")
    assert any("M141 warning relation pnr hides the column pnr of bookings" in s for s in said)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{std: tomorrow}", "M106 error document flight: std is a timestamp (2026-03-01T09:00:00Z), tomorrow is none"),
        ("{dist_nm: far}", "M106 error document flight: dist_nm is a number, far is none"),
        ("{dist_nm: {above: 3}}", "M106 error document flight: no comparison above"),
        ("{dist_nm: {gt: [1, 2]}}", "M106 error document flight: gt compares with one value"),
        ("{dist_nm: []}", "M106 warning document flight: an empty list"),
        ("{dist_nm: {}}", "M106 error document flight: dist_nm has an empty condition"),
        ("{status_cd: CXL}", "M106 warning document flight: CXL is no code of status_cd (nearest: CX)"),
        ("{stats_cd: CX}", "M102 error document flight: table flights has no column stats_cd (nearest: status_cd)"),
    ],
)
def test_conditions_are_checked_by_column_and_value(condition: str, expected: str) -> None:
    said = changed("    root: flights\n", f"    root: flights\n    where: {condition}\n")
    assert any(expected in s for s in said), said


@pytest.mark.parametrize(
    "condition",
    [
        "{status_cd: [ON, DL], dist_nm: {gt: 0}}",
        "{std: {not: null}}",
        "{std: null}",
        "{std: {gte: 2026-01-01}}",
        "{dist_nm: {in: [1, 2]}}",
    ],
)
def test_conditions_that_are_right_are_no_finding(condition: str) -> None:
    assert changed("    root: flights\n", f"    root: flights\n    where: {condition}\n") == []


# --- templates


@pytest.mark.parametrize(
    ("old", "new", "code", "word", "expected"),
    [
        ("{% endfor %}", "", "M130", "", "Unexpected end of template"),
        ("{{ pnr }} was", "{{ pnr }  was", "M130", "}", "unexpected '}'"),
        ("{{ pnr }} was", "b {{ pnr b }} was", "M130", "b }}", "expected token 'end of print statement', got 'b'"),
        ("{{ pnr }} was", "{{ pnr $ 1 }} was", "M130", "$ 1", "unexpected char '$'"),
        ("{{ pnr }} was", "it's {{ ' }} was", "M130", "' }}", 'unexpected char "\'"'),
        ("{% for t in tickets %}", "{% fro t in tickets %}", "M130", "fro", "unknown tag 'fro' (nearest: for)"),
        ("{{ pnr }} was", "{{ pnr | nofilter }} was", "M130", "nofilter", "No filter named 'nofilter' (valid: abs"),
        ("{{ pnr }} was", "{{ pnr | uper }} was", "M130", "uper", "No filter named 'uper' (nearest: upper)"),
        ("{{ pnr }} was", "{{ pnr is evn }} was", "M130", "evn", "No test named 'evn' (nearest: even)"),
        (
            "{{ t.seq_no }}",
            "{% if t %}{{ t|uper }}{% endif %}",
            "M130",
            "uper",
            "No filter named 'uper' (nearest: upper)",
        ),
        ("{{ pnr }} was", "{{ tickets | map('uper') | join }} was", "M130", "uper", "(nearest: upper)"),
        ("{{ pnr }} was", "{{ tickets | selectattr('bag_wt', 'evn') | list }} was", "M130", "evn", "(nearest: even)"),
        ("{{ pnr }} was", "{{ pnrr }} was", "M131", "pnrr", "bookings has no column or relation pnrr (nearest: pnr)"),
        ("{{ customer.full_name }}", "{{ customer.fullname }}", "M131", "fullname", "(nearest: full_name)"),
        (
            "{{ t.seq_no }}",
            "{{ t.seqno }}",
            "M131",
            "seqno",
            "tickets has no column or relation seqno (nearest: seq_no)",
        ),
        ("{{ t.flight.origin }}", "{{ t.flght.origin }}", "M131", "flght", "(nearest: flight)"),
        ("{{ t.seq_no }}", "{{ tickets.seq_no }}", "M131", "seq_no", "tickets holds many rows: loop over it"),
        (
            "{{ customer.full_name }}",
            "{{ customer.email }}",
            "M132",
            "email",
            "email of customers is dropped (pii: contact)",
        ),
        ("{{ customer.full_name }}", "{{ customer['email'] }}", "M132", "email", "email of customers is dropped"),
        ("{{ pnr }} was", "{{ ''.__class__.__mro__ }} was", "M133", "__class__", "reaches out of the sandbox"),
        ("{{ pnr }} was", "{{ pnr['__class__'] }} was", "M133", "__class__", "reaches out of the sandbox"),
        ("{{ pnr }} was", "{{ self.__init__.__globals__ }} was", "M133", "self", "reaches out of the sandbox"),
        ("{{ pnr }} was", "{{ cycler.__init__.__globals__.os }} was", "M133", "__init__", "reaches out of the sandbox"),
        ("{{ pnr }} was", "{{ tickets | map(attribute='__class__') | list }} was", "M133", "__class__", "reaches out"),
        ("{{ pnr }} was", "{% include '/etc/passwd' %} was", "M133", "", "neither include nor import"),
        ("{% for t in tickets %}", "{% for t in customer %}", "M134", "customer", "loops over one row of customers"),
        ("{% for t in tickets %}", "{% for t in pnr %}", "M134", "pnr", "loops over pnr, which is one value"),
    ],
)
def test_a_template_is_read_before_it_runs(old: str, new: str, code: str, word: str, expected: str) -> None:
    text = TEXT.replace(old, new, 1)
    at = text.index(new)
    found = [f for f in findings(text) if f.code == code]
    assert found, findings(text)
    assert expected in found[0].message
    if word:
        spot = text.index(word, at)
        assert (found[0].line, found[0].column) == (text[:spot].count("\n") + 1, spot - text.rindex("\n", 0, spot))
    elif code == "M133":
        assert found[0].line == text[:at].count("\n") + 1


def test_a_column_that_is_called_as_something_of_jinjas_own_is_told() -> None:
    text = TEXT.replace("pnr:         {label", "range: {column: pnr, label").replace("{{ pnr }}", "{{ range }}")
    assert {f.code for f in findings(text.replace("filters: [pnr", "filters: [range"))} >= {"M134"}


def test_a_title_is_read_too() -> None:
    (said,) = changed('title: "Booking {{ pnr }}"', 'title: "Booking {{ pnrr }}"')
    assert said.startswith(
        f"airline.yml:{line('title: ')}:24 M131 error title: bookings has no column or relation pnrr"
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ tickets.count }} {{ tickets[0].fare_cd.code }} {{ tickets | length }} {{ tickets | first }}",
        "{{ tickets | map(attribute='flight.origin') | join(', ') }} {{ tickets | sum(attribute='bag_wt') }}",
        "{% for t in tickets | sort(attribute='seq_no,fare_cd') if t.bag_wt %}{{ loop.index }}{% endfor %}",
        "{% set n = tickets | selectattr('bag_wt') | list %}{{ n }} {% set s = namespace(x=1) %}{% set s.x = 2 %}",
        "{% macro leg(t) %}{{ t.anything }}{% endmacro %}{% for t in tickets %}{{ leg(t) }}{% endfor %}",
        "{% if customer %}{{ customer.tier_cd.label }} {{ customer['tier_cd'] }}{% endif %} {{ total_amt.number * 2 }}",
        "{% for group in tickets | groupby('fare_cd') %}{{ group.grouper }} {{ group.list }}{% endfor %}",
        "{% with x = customer %}{{ x.full_name }}{% endwith %}{% for k in range(3) %}{{ k }}{% endfor %}",
        "{{ nothing is defined }}{{ pnr|upper }} {{ 'a' if customer else 'b' }}{{ (customer or customer).tier_cd }}",
        "{% set last = none %}{% for t in tickets %}{% set last = t %}{% endfor %}{{ tickets[-1].flight.dest }}",
    ],
)
def test_templates_that_are_right_are_no_finding(template: str) -> None:
    start, end = TEXT.index("      Booking {{ pnr }} was"), TEXT.index("    filters: [pnr")
    assert findings(TEXT[:start] + f"      {template}\n" + TEXT[end:]) == []


def test_every_filter_and_test_that_is_none_is_told_at_its_word() -> None:
    text = TEXT.replace("{{ pnr }} was", "{{ pnr | uper }} {{ pnr is lowr }} {{ pnr | lowr }} was", 1)
    row = text.splitlines()[line("{{ pnr }} was") - 1]
    assert [(f.column, f.message) for f in findings(text) if f.code == "M130"] == [
        (row.index("uper") + 1, "text: No filter named 'uper' (nearest: upper)"),
        (row.index("lowr") + 1, "text: No filter named 'lowr' (nearest: lower)"),
        (row.index("lowr") + 1, "text: No test named 'lowr' (nearest: lower)"),
    ]


# --- filters and names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nope", "M142 error filter nope: bookings has no column nope"),
        ("customer", "M142 error filter customer names a relation; name one of its columns"),
        ("customer.tier", "M142 error filter customer.tier: customers has no column tier (nearest: tier_cd)"),
        ("pnr.x", "M142 error filter pnr.x: pnr is text, it has no parts"),
        ("{id: pnr}", "M140 error Weaviate refuses the property id; choose another name"),
        ("{_id: pnr}", "M140 error Weaviate refuses the property _id"),
        ("{vector: pnr}", "M140 error Weaviate refuses the property vector"),
        ("{_additional: pnr}", "M140 error"),
        ("{größe: pnr}", "M140 error Weaviate refuses the property größe"),
        ("{pnr_searchable: pnr}", "M140 error"),
        ("{pnr_nullState: pnr}", "M140 error"),
        ("{Pnr: pnr}", "M140 error"),
        ("{a-b: pnr}", "M140 error"),
        ("{content: pnr}", "M141 error two properties are called content, the other is Headrace's own"),
        ("{Document_Key: pnr}", "M141 error"),
        ("{chunk: pnr}", "M141 error"),
        ("{booked_AT: pnr}", "M141 error two properties are called booked_AT, the other is booked_at"),
        ("booked_at", "M141 error two properties are called booked_at"),
    ],
)
def test_a_filter_is_a_column_with_a_name_that_weaviate_takes(path: str, expected: str) -> None:
    said = changed("filters: [pnr, booked_at, customer.tier_cd]", f"filters: [booked_at, {path}]")
    assert any(expected in s and f":{line('filters: [pnr')}:" in s for s in said), said


def test_a_refused_name_comes_with_one_that_works() -> None:
    text = TEXT.replace("      origin:    {label: from}", "      id:        {column: origin}").replace(
        "{{ origin }}", ""
    )
    text = text.replace("{{ t.flight.origin }}", "").replace("origin, dest, std", "id, dest, std")
    (said,) = [str(f) for f in findings(text) if f.code == "M140"]
    assert said.endswith("Weaviate refuses the property id; give it a name: `{id_value: id}`")
    assert not [f for f in findings(text.replace("[flight_no, id,", "[flight_no, {id_value: id},")) if f.code == "M140"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "  flight:\n    root",
            "  bo_oking:\n    collection: booking\n    root",
            "M140 error Weaviate refuses the collection booking",
        ),
        (
            "  flight:\n    root",
            "  flight:\n    collection: BOOKING\n    root",
            "M143 error the collection BOOKING is that of document booking",
        ),
        (
            "  flight:\n    root",
            "  airline_terms:\n    root",
            "M143 error the collection AirlineTerms is that of the mapping's own words",
        ),
        (
            "  flight:\n    root",
            "  flight:\n    collection: Booking_g2\n    root",
            "M143 error Booking_g2 is the name of a generation of Booking",
        ),
        ("  flight:\n    root", "  flüge:\n    root", "M140 error document flüge"),
    ],
)
def test_collections_have_names_of_their_own(old: str, new: str, expected: str) -> None:
    said = changed(old, new)
    assert any(expected in s for s in said), said


# --- freshness, chunks, tests


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("warn_after: 5s", "warn_after: 5 minutes", "M151 error warn_after: 5 minutes is no duration"),
        ("warn_after: 5s", "warn_after: 5m", "M151 error error_after: is shorter than warn_after"),
        ("warn_after: 5s", "warn_after: 0s", "M151 error warn_after: must be longer than nothing"),
        ("objective: 99.9%", "objective: 999%", "M151 error objective: 999% is no share"),
        ("objective: 99.9%", "objective: 99.9", "M151 error objective: 99.9 is no share; write it as 99.9%"),
        ("window: 30d", "window: month", "M151 error window: month is no duration"),
        ("max_tokens: 300", "max_tokens: 4", "M152 error max_tokens: a chunk needs at least 16"),
        ("overlap: 30", "overlap: 299", "M152 error overlap: at most half of max_tokens (300)"),
    ],
)
def test_goals_and_chunks_are_checked(old: str, new: str, expected: str) -> None:
    said = changed(old, new)
    assert any(expected in s for s in said), said


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    document: flight\n", "    document: flght\n", "M171 error no document flght (nearest: flight)"),
        (
            "customers: [{customer_id",
            "custmers: [{customer_id",
            "M171 error given: no table custmers (nearest: customers)",
        ),
        (
            "booking_id: 7, pnr: K3XQ2A",
            "booking_id: 7, prn: K3XQ2A",
            "M171 error given: bookings has no column prn (nearest: pnr)",
        ),
        (
            "booking_id: 7, pnr: K3XQ2A",
            "pnr: K3XQ2A",
            "M171 error given: a row of bookings without its key (booking_id)",
        ),
        (
            "[{booking_id: 7, pnr",
            "[{booking_id: 8}, {booking_id: 7, pnr",
            "M172 error given has 2 rows of bookings: say which one",
        ),
        (
            "filters:  {flight_no",
            "filters:  {flightno",
            "M171 error document flight has no filter flightno (nearest: flight_no)",
        ),
        ("absent:   [Rossi", 'absent:   ["", Rossi', "M172 error absent: an empty text"),
        (
            "absent:   [Rossi",
            "no_document: true\n      absent:   [Rossi",
            "M172 error expect: no_document, and something",
        ),
        (
            "a delayed flight is found by its words and by its codes' words",
            "a cancelled leg says so, and nothing personal leaks",
            "has the name of test 1",
        ),
    ],
)
def test_the_mappings_own_tests_are_checked(old: str, new: str, expected: str) -> None:
    said = changed(old, new)
    assert any(expected in s for s in said), said


def test_a_document_without_a_test_is_a_warning() -> None:
    text = TEXT[: TEXT.index("  - name: a delayed flight")]
    assert [str(f) for f in findings(text)] == [
        f"airline.yml:{line('  flight:' + chr(10) + '    root')}:3 M170 warning document flight has no test;"
        " add one under `tests:`"
    ]


def test_all_findings_are_said_at_once_in_the_order_of_the_file() -> None:
    text = TEXT.replace("pii: contact", "pii: contacts").replace("order: seq_no", "order: seqno")
    text = (
        text.replace("{{ t.fare_cd }}", "{{ t.fare }}")
        .replace("warn_after: 5s", "warn_after: soon")
        .replace("tests: ", "testes: ")
    )
    found = findings(text)
    assert [f.line for f in found] == sorted(f.line for f in found)
    assert {"M123", "M102", "M131", "M151", "M010"} <= {f.code for f in found}


def test_what_the_plan_refuses_is_a_finding_though_no_check_named_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from sync.errors import MappingError
    from sync.mapping import lint as module

    def refuse(*_: object) -> None:
        raise MappingError("something that no check knows")

    monkeypatch.setattr(module, "plan", refuse)
    assert [str(f) for f in findings(TEXT)] == ["airline.yml:2:1 M199 error something that no check knows"]
