"""Whatever a file says, load and lint answer with findings: they raise nothing, and every finding has its place."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sync.mapping.findings import CODES
from sync.mapping.lint import lint
from sync.mapping.load import load
from sync.mapping.lock import Lock

AIRLINE = Path(__file__).parents[2] / "mappings" / "airline.yml"
TEXT = AIRLINE.read_text()
LOCK = load(AIRLINE).lock
LINES = TEXT.splitlines()
TOKENS = sorted(set(re.findall(r"[A-Za-z_]+|[{}\[\]:,|\"'#&*!%-]|\d+", TEXT)))
LINE = re.compile(r"[^\n]*:\d+:\d+ M\d\d\d (error|warning) [^\n]+")
quickly = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALARS = st.one_of(
    st.sampled_from(
        ["", "~", "null", "yes", "010", "1e999", "9" * 400, "-0", "0x", ".nan", "{{", "{% if %}", "{{ x.y.z }}"]
    ),
    st.sampled_from(
        [*TOKENS, "customers.customer_id", "a.b.c", "__class__", "${A}", "${", "é", "\U0001f600", "'", '"']
    ),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TOKENS) | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def answers(text: str | bytes, lock: Lock | None = LOCK) -> None:
    """Fails where load or lint raises, or where a finding has no place, no code or more than one line."""
    loaded = load("airline.yml", text, lock=lock)
    found = lint(loaded)
    lines = text.count(b"\n" if isinstance(text, bytes) else "\n") + 2  # type: ignore[arg-type]
    for finding in found:
        assert LINE.fullmatch(str(finding)), finding
        assert finding.code in CODES
        assert 0 <= finding.line <= max(lines, 1) * 2
    if loaded.mapping is None:
        assert any(finding.is_error for finding in found)


@quickly
@given(st.text(max_size=200) | st.binary(max_size=200))
@example("a: b: c")
@example("\x85\u2028")
@example("- &a\n- *a\n")
@example("? |\n  a\n: b")
@example(b"\xff\xfea\x00:\x00")
@example("{a: &x , b: *x}")
def test_any_text_is_answered(text: str | bytes) -> None:
    answers(text)


@quickly
@given(st.lists(st.sampled_from([*TOKENS, "\n", "\n  ", "\n    ", " ", ": ", "- "]), max_size=60).map("".join))
def test_any_yaml_like_text_is_answered(text: str) -> None:
    answers(text)


@quickly
@given(st.data())
def test_the_airline_with_lines_taken_doubled_or_moved_is_answered(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        what = data.draw(st.sampled_from(["take", "double", "move", "indent"]))
        if what == "take":
            del lines[at]
        elif what == "double":
            lines.insert(at, lines[at])
        elif what == "move":
            lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        else:
            lines[at] = "  " + lines[at]
    answers("\n".join(lines), data.draw(st.sampled_from([LOCK, None])))


@quickly
@given(st.data())
def test_the_airline_with_words_exchanged_is_answered(data: st.DataObject) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 4))):
        found = list(re.finditer(r"[A-Za-z_0-9]+|\{\{|\}\}|[{}\[\]:,]", text))
        spot = data.draw(st.sampled_from(found))
        word = data.draw(st.sampled_from(TOKENS) | st.text(max_size=6))
        text = text[: spot.start()] + word + text[spot.end() :]
    answers(text, data.draw(st.sampled_from([LOCK, None])))


PIECES = re.findall(
    r"\S+|  ",
    """  {{ }} {% %} {# for t in tickets if else endfor endif set = customer . pnr email | map ( ) attribute ' join
    macro call x [ ] 0 self loop __class__ ~ not is defined filter upper with namespace , import block raw""",
)
SPOTS = (
    "owner: {team: Reservations DBA, contact: res-dba@example.com}",
    'source: {connector: postgres, url: "${AIRLINE_URL}", schema: public}',
    "terms:",
    "privacy:",
    "key: [booking_id, seq_no]",
    "values: {B: Blue, S: Silver, G: Gold}",
    "unit: EUR",
    "scale: 0.01",
    "pii: contact",
    "customer: {one: customers, by: customer_id}",
    "{one: customers, by: customer_id}",
    "by: flight_id",
    "order: seq_no",
    "limit: 50",
    "filters: [pnr, booked_at, customer.tier_cd]",
    "chunk: {max_tokens: 300, overlap: 30}",
    'title: "Booking {{ pnr }}"',
    "warn_after: 5s",
    "root: flights",
    "document: flight",
    "absent:   [Rossi, m@x.it, YA1]",
)


@quickly
@given(st.sampled_from(SPOTS), st.data())
def test_the_airline_with_any_value_anywhere_is_answered(spot: str, data: st.DataObject) -> None:
    assert spot in TEXT
    name = spot.split(":")[0] if not spot.startswith("{") else ""
    value = _flow(data.draw(VALUES))
    answers(TEXT.replace(spot, f"{name}: {value}" if name else value, 1), data.draw(st.sampled_from([LOCK, None])))


@quickly
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_template_is_answered(parts: list[str]) -> None:
    source = "".join(parts)
    start, end = TEXT.index("      Booking {{ pnr }} was"), TEXT.index("    filters: [pnr")
    answers(TEXT[:start] + f"      x{source}\n" + TEXT[end:])


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and value and not re.fullmatch(r"[A-Za-z0-9_.~]+", value):
        return "'" + re.sub(r"[^\x20-\x7e\xa0-\ud7ff\U0001f600]", "", value).replace("'", "''") + "'"
    return "null" if value is None else str(value)
