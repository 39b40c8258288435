"""What a template can see and do, and what it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from sync.errors import BuildError, MappingError
from sync.mapping.build import Builder
from sync.mapping.sandbox import MAX_RANGE
from sync.mapping.template import Template
from tests.support.plans import build_one, gather, plan_of

SHOP = """
privacy: {name: mask}
tables:
  orders:
    key: id
    columns:
      id: {type: integer}
      customer: {type: integer}
      total: {type: integer, unit: EUR, scale: 0.01}
      rush: {type: boolean}
      note: {type: text}
      email: {pii: contact}
      tags: {type: list}
      due: {type: timestamp}
      data: {type: json}
      picked: {type: json, fields: {address.city: city}}
  customers:
    key: id
    columns: {id: {type: integer}, name: {pii: name}, tier: {label: loyalty tier, values: {G: Gold, S: Silver}}}
  lines:
    key: [order_id, no]
    columns: {order_id: {type: integer}, no: {type: integer}, qty: {type: decimal}, items: {}, get: {}, count: {}}
documents:
  order:
    root: orders
    with:
      customer: {one: customers, by: customer}
      lines: {many: lines, by: order_id, order: no, limit: 2, with: {order: {one: orders, by: order_id}}}
    title: Order
"""
ORDER: dict[str, Any] = {
    "id": 1, "customer": 5, "total": 48950, "rush": False, "note": "fragile & wet", "tags": ["a", "b"],
    "due": "2026-04-02T10:15:00Z", "data": {"city": "Rome", "n": 2, "list": [1, {"x": "y"}], "ok": True, "items": "i"},
    "picked": {"address": {"city": "Bari"}},
}  # fmt: skip
LINES: list[dict[str, Any]] = [
    {"order_id": 1, "no": n, "qty": f"{n}.10", "items": f"items {n}", "get": "got", "count": "counted"}
    for n in (1, 2, 3)
]
ROWS = {"orders": [ORDER], "customers": [{"id": 5, "name": "M", "tier": "G"}], "lines": LINES}


def _quoted(text: str) -> str:
    return SHOP + "    text: |\n" + "\n".join(f"      {line}" for line in text.splitlines())


def shows(text: str, **changes: Any) -> str:
    rows = {**ROWS, "orders": [{**ORDER, **changes}]}
    return build_one(plan_of(_quoted(text)), rows, "1").text


EXPRESSIONS = [
    ("{{ total }} {{ total.code }} {{ total.number }} {{ total.label }}", "489.50 EUR 48950 489.50 total"),
    ("{{ customer.tier }} {{ customer.tier.code }} {{ customer.tier.label }}", "Gold G loyalty tier"),
    ("{{ customer.name }}", "M."),
    ("{% for l in lines %}{{ l.no }}:{{ l.items }}/{{ l.get }}/{{ l.count }} {% endfor %}",
     "1:items 1/got/counted 2:items 2/got/counted"),
    ("{{ lines.count }} {{ lines | length }}", "3 2"),
    ("{{ lines[0].items }} {{ lines[-1].no }} {{ (lines | last).no }}", "items 1 2 2"),
    ("{{ lines[7].items }}{% if not lines[7] %}!{% endif %}", "not recorded!"),
    ("{% for l in lines[1:] %}{{ l.no }}{% endfor %}", "2"),
    ("{% for l in lines | reverse %}{{ loop.index }}{{ l.no }} {% endfor %}", "12 21"),
    ("{{ lines | map(attribute='no') | join(', ') }}", "1, 2"),
    ("{{ lines | selectattr('items', 'equalto', 'items 2') | map(attribute='no') | join }}", "2"),
    ("{{ lines | sum('qty') }}", "3.2"),
    ("{{ lines[0]['items'] }} {{ customer['tier'] }}", "items 1 Gold"),
    ("{{ lines[0].order.customer }}", "5"),
    ("{% if rush %}rush{% else %}calm{% endif %} {{ rush }}", "calm no"),
    ("{{ tags }} {{ tags[0] }} {{ tags | length }} {{ tags.count }}{% for t in tags %} {{ t }}{% endfor %}",
     "a, b a 2 2 a b"),
    ("{% if 'a' in tags and 'wet' in note %}in{% endif %}", "in"),
    ("{{ note | upper }} {{ note | replace('wet', 'dry') }} {{ note ~ '!' }}",
     "FRAGILE & WET fragile & dry fragile & wet!"),
    ("{{ data.city }} {{ data.list[1].x }} {{ data.ok }} {{ data.items }} {{ data['n'] }} {{ data.gone.x }}",
     "Rome y yes i 2 not recorded"),
    ("{{ picked.city }} {{ picked.address.city }} {{ picked }}", "Bari Bari city Bari"),
    ("{{ total + 50 }} {{ total * 2 }} {{ 100 - total.number }} {{ total / 3 }} {{ -total }}",
     "539.50 979.00 -389.50 163.1666666666666666666666667 -489.50"),
    ("{{ total.number * 1.1 }} {{ (0.1 + 0.2) }} {{ 7 // 2 }} {{ 7 % 2 }} {{ 2 ** 3 }}", "538.450 0.3 3 1 8"),
    ("{{ total > 489 and total.number == 489.5 and total >= 489.50 }}", "True"),
    ("{{ lines[0].qty == 1.1 }} {{ customer.tier == 'Gold' }} {{ customer.tier.code == 'G' }}", "True True True"),
    ("{{ due > '2026-04-02' }} {{ due < '2026-04-02T10:15:01Z' }}", "True True"),
    ("{{ '%s has %s' | format(customer.name, total) }} {{ '%s' % note }}", "M. has 489.50 EUR fragile & wet"),
    ("{{ '{0.tier.code}'.format(customer) }}", "G"),
    ("{{ total | round(0) }} {{ total | int }} {{ total | abs }}", "490 489 489.50"),
    ("{{ customer }}", "id 5; name M.; loyalty tier Gold"),
    ("{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "3"),
    ("{% macro m(x) %}<{{ x.no }}>{% endmacro %}{{ m(lines[0]) }}", "<1>"),
    ("{{ customer.tier is none }} {{ note is defined }} {{ lines[7].items is none }}", "False True True"),
    ("{{ lines | groupby('get') | map('first') | join }}", "got"),
    ("{{ 2 ** 100 }} {{ -7 // 2 }} {{ range(3, 0, -1) | list }} {{ [total, 'x'] }}",
     "1267650600228229401496703205376 -4 3, 2, 1 489.50 EUR, x"),
    ("{{ note[:7] }} {{ note | truncate(5, leeway=0) }}", "fragile fr..."),
    ("{{ note | indent(2, true) }}|{{ note | urlencode }} {{ note | e }} {{ '<b>x</b>' | striptags }}",
     "fragile & wet|fragile%20%26%20wet fragile &amp; wet x"),
    ("{{ '{:<7}|{:,}|{:.1f}'.format(customer.tier, 12345, total.number) }} {{ '%-5s|%5.1f|%d%%' % ('a', 2.25, 3) }}",
     "Gold   |12,345|489.5 a    |  2.2|3%"),
    ("{{ lines | join('; ', attribute='qty') }} {{ 'b'.join([1, total]) }} {{ [0.1, 0.2] | sum }}",
     "1.1; 2.1 1b489.50 EUR 0.3"),
    ("{% for x in lines | batch(1) %}{{ loop.index }}{{ loop.last }}{{ x | length }} {% endfor %}", "1False1 2True1"),
    ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{% set j = joiner(',') %}{{ j() }}{{ j() }}", "ab,"),
    ("{{ {'a': 1}.items() | list }} {{ dict(a=1).get('a') }} {{ {'b': 2, 'a': 1} | dictsort }} {{ {'c': 3}.c }}",
     "('a', 1) 1 ('a', 1), ('b', 2) 3"),
    ("{% macro m(x='z') %}[{{ x }}{{ caller() }}]{% endmacro %}{% call m() %}hi{% endcall %}", "[zhi]"),
    ("{% filter upper %}a{{ id }}b{% endfilter %} {% set x %}{{ id }}{{ id }}{% endset %}{{ x }}", "A1B 11"),
    ("{{ 'a-b'.split('-') | last }} {{ ' x '.strip() }} {{ 'x'.center(3, '.') }} {{ 'ab'.replace('a', 'c') }}",
     "b x .x. cb"),
    ("{{ note | wordwrap(5) | replace('\n', '/') }} {{ [1, 'a', none] | tojson }} {{ '12' | int + 1 }}",
     'fragi/le &/wet [1, "a", null] 13'),
    ("{{ data[0] }} {{ tags[5] }} {{ tags[-1] }} {{ range(3) }}", "not recorded not recorded b range(0, 3)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS)
def test_a_template_reads_columns_and_relations(text: str, expected: str) -> None:
    assert shows(text) == expected


@pytest.mark.parametrize(
    ("column", "value", "truth"),
    [
        ("note", None, "no"), ("note", "", "no"), ("note", "x", "yes"), ("rush", False, "no"), ("rush", True, "yes"),
        ("rush", None, "no"), ("tags", [], "no"), ("tags", ["a"], "yes"), ("tags", None, "no"), ("total", 0, "yes"),
        ("total", None, "no"), ("data", None, "no"), ("data", {}, "no"), ("due", None, "no"),
    ],
)  # fmt: skip
def test_null_false_and_emptiness_are_false_and_zero_is_not(column: str, value: Any, truth: str) -> None:
    assert shows("{% if " + column + " %}yes{% else %}no{% endif %}", **{column: value}) == truth


def test_a_missing_parent_is_empty_and_false() -> None:
    text = "{% if customer %}has{% else %}none{% endif %}: {{ customer.tier }}, {{ customer.tier.code }}"
    assert shows(text, customer=None) == "none: not recorded, not recorded"


def test_null_goes_through_arithmetic_and_compares_with_nothing() -> None:
    text = "{{ total + 1 }} {{ total > 1 }} {{ total < 1 }} {{ total == none }} {{ total != 1 }} {{ [1, total] | sum }}"
    assert shows(text, total=None) == "not recorded False False True True 1"


def test_blocks_leave_no_blank_lines() -> None:
    assert shows("a\n{% if true %}\n  b\n    {% endif %}\nc") == "a\n  b\nc"


FAILURES = [
    ("{{ nots }}", 'table "orders" has no column or relation "nots" (nearest: "note")'),
    ("{{ customer.teir }}", 'table "customers" has no column or relation "teir" (nearest: "tier")'),
    ("{{ email }}", "dropped for privacy"),
    ("{{ note.length }}", 'has no "length"; it has code, number and label'),
    ("{{ lines.no }}", "holds many rows"),
    ("{{ note.number }}", "is no number"),
    ("{{ note + 1 }}", "is no number"),
    ("{{ rush + 1 }}", "is no number"),
    ("{{ true + none }}", "what is no number"),
    ("{{ total / 0 }}", "a calculation has no result"),
    ("{% for c in note %}{% endfor %}", "is one value"),
    ("{% for c in customer %}{% endfor %}", "only `many` relations"),
    ("{{ lines | map('upper') }}", "end the expression with `| list`"),
    ("{{ 'a'.upper }}", "call it with `()`"),
    ("{{ [1].append(2) }}", "the sandbox forbids"),
    ("{{ 'a'.encode() }}", "the sandbox forbids"),
    ("{{ '%*d' % (3, 1) }}", "`%` stands for itself as `%%`"),
    ("{{ range }}{{ cycler.x.y }}", "does not exist"),
    ("{% for i in range(1000000) %}{% endfor %}", "counts further than"),
    ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "counts further than"),
    ("{% for i in range(90000) %}{{ 'x' * 1000 }}{% endfor %}", "grows beyond"),
    ("{{ 'x' * 10000000000 }}", "repeats something beyond"),
    ("{{ 10 ** 9999999 }}", "counts with numbers of more than"),
    ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
]


@pytest.mark.parametrize(("text", "reason"), FAILURES)
def test_what_goes_wrong_parks_the_document_with_line_and_reason(text: str, reason: str) -> None:
    with pytest.raises(BuildError) as caught:
        shows("first line\n" + text)
    assert reason in str(caught.value)
    assert str(caught.value).startswith('text of document "order"')


def test_the_reason_names_the_line() -> None:
    with pytest.raises(BuildError, match=r'^text of document "order", line 3: a calculation has no result'):
        shows("first\nsecond\n{{ total / (total - total) }}")


ESCAPES = [
    "{{ note.__class__ }}", "{{ note._value }}", "{{ customer._gathered.image }}", "{{ ''.__class__.__mro__ }}",
    "{{ customer|attr('_gathered') }}", "{{ lines|map(attribute='_gathered')|list }}", "{{ self.__init__ }}",
    "{{ range.__call__.__globals__ }}", "{{ '{0._gathered}'.format(customer) }}", "{{ customer['__class__'] }}",
    "{{ customer.get('name') }}", "{{ cycler.__init__.__globals__ }}", "{{ lipsum() }}", "{{ note|random }}",
    "{{ customer.name.code._reading }}", "{{ '%s' % customer.__dict__ }}", "{{ namespace.__init__ }}",
    "{{ lines.__getitem__ }}", "{{ [].append(1) }}", "{{ customer.items() }}",
]  # fmt: skip


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_leads_out_of_the_sandbox(text: str) -> None:
    with pytest.raises((BuildError, MappingError)):
        shows(text)


LEAKS = [
    "{{ note | int(base='x') }}", "{{ {}[note] }}", "{{ {'a': 1}[note | string] }}", "{{ note.number }}",
    "{{ note | int / note }}", "{{ dict(a=1)[note ~ ''] }}", "{{ (note ~ '').secret }}", "{{ note | tojson }}",
    "{{ '%d' % note }}", "{{ note() }}", "{{ [][note] }}", "{{ note | dictsort }}", "{{ note * note }}",
    "{{ customer[note ~ ''] }}", "{{ tags[note ~ ''] }}", "{{ lines | map(attribute=note ~ '') | list }}",
    "{{ customer[note.code] }}",
]  # fmt: skip


@pytest.mark.parametrize("text", LEAKS)
def test_no_reason_holds_a_value_of_the_row(text: str) -> None:
    with pytest.raises(BuildError) as caught:
        shows(text, note="SECRET")
    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in str(error) + str(getattr(error, "advice", ""))
        error = None if error.__suppress_context__ and error.__cause__ is None else error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ a", "line 1: "), ("x\n{% for %}", "line 2: "), ("{% include 'x' %}", "stands alone"),
        ("{{ x | nofilter }}", "nofilter"), ("{% endif %}", "line 1"),
        ("x\n{% autoescape true %}{% endautoescape %}", "line 2: a text is not HTML"),
        ("(" * 5, None),
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused_with_its_line(text: str, message: str | None) -> None:
    if message is None:
        assert Template(text, "text").names == ()
        return
    with pytest.raises(MappingError, match=message):
        Template(text, "text")


def test_a_column_that_is_not_captured_yet_parks_only_what_reads_it() -> None:
    made, without = plan_of(_quoted("{{ note }}")), {name: value for name, value in ORDER.items() if name != "note"}
    with pytest.raises(BuildError, match='column "note" of table "orders" is not captured yet'):
        build_one(made, {"orders": [without]}, "1")
    assert build_one(plan_of(_quoted("{{ total }}")), {"orders": [without]}, "1").text == "489.50 EUR"


def test_a_text_that_was_cut_names_column_size_and_setting() -> None:
    made = plan_of(_quoted("{{ note }}"))
    with pytest.raises(BuildError, match='"note" of table "orders" holds a text of 2000 bytes') as caught:
        build_one(made, {"orders": [{**ORDER, "note": "x" * 2000}]}, "1")
    assert "HEADRACE_MAX_TEXT_BYTES" in caught.value.advice
    assert build_one(plan_of(_quoted("{{ id }}")), {"orders": [{**ORDER, "note": "x" * 2000}]}, "1").text == "1"


def test_rendering_twice_and_in_another_builder_gives_the_same_bytes() -> None:
    text = "\n".join(each for each, _ in EXPRESSIONS)
    assert len({shows(text) for _ in range(3)}) == 1


def test_a_column_may_be_called_like_something_of_jinjas() -> None:
    made = plan_of(
        """
        tables: {a: {key: id, columns: {id: {}, range: {}, dict: {}, items: {}, title: {}, count: {}}}}
        documents: {a: {root: a, title: A, text: "{{ range }} {{ dict }} {{ items }} {{ title }} {{ count }}"}}
        """
    )
    row = {"id": 1, "range": "r", "dict": "d", "items": "i", "title": "t", "count": "c"}
    assert build_one(made, {"a": [row]}, "1").text == "r d i t c"


def test_each_rendering_has_its_own_budget_of_counting() -> None:
    made = plan_of(_quoted("{% for i in range(60000) %}{% endfor %}{{ id }}"))
    builder = Builder(made, made.documents["order"])
    gathered = gather(made, ROWS, "1")
    assert gathered is not None
    assert [builder.build(gathered).text for _ in range(3)] == ["1", "1", "1"]
    assert MAX_RANGE < 120_000
