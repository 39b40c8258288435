"""Nothing that a template can say takes all memory or hours: each way is tried in a process that may take neither."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from sync.mapping.meter import MAX_WORK

N = 300_000_000
LOOP = "{% for i in range(99999) %}"
DOUBLED = "{% set ns = namespace(x=START) %}{% for i in range(40) %}{% set ns.x = MORE %}{% endfor %}USE"


def doubled(start: str, more: str, use: str = "") -> str:
    return DOUBLED.replace("START", start).replace("MORE", more).replace("USE", use)


# Where nothing comes out, nothing that counts what comes out can help: hence `set`.
KEPT = [
    # padded
    f"'x' | center({N})",
    f"'x'.center({N})",
    f"'x'.ljust({N})",
    f"'x'.rjust({N}, 'y')",
    f"'1'.zfill({N})",
    f"'\\t'.expandtabs({N})",
    f"note | center({N})",
    f"(note ~ '').center({N})",
    f"'x'['center']({N})",
    # formatted
    f"'%{N}d' | format(1)",
    f"'%{N}d' % 1",
    f"'%-{N}s' % note",
    f"'%.{N}f' % 1.5",
    f"'%.{N}d' % 1",
    f"'%*d' % ({N}, 1)",
    f"'%(a){N}d' % {{'a': 1}}",
    f"'%((a)){N}d' % {{'(a)': 1}}",
    f"'%.*f' | format({N}, 1.5)",
    f"'{{:{N}d}}'.format(1)",
    f"'{{:.{N}f}}'.format(1.5)",
    f"'{{:{{}}d}}'.format(1, {N})",
    f"'{{a:>{N}}}'.format(a=note)",
    f"'{{a:{N}d}}'.format_map({{'a': 1}})",
    "'{:３００００００００d}'.format(1)",
    f"'{{0!r:{N}}}'.format('a')",
    f"'{{:x<{N}}}'.format(tags)",
    "'%s' * 1000000 % (('x' * 1000,) * 1000000)",
    "'%(a)s' * 9999 % {'a': 'x' * 99999}",
    "('{0}' * 9999).format('x' * 99999)",
    f"'{{:0{N}b}}'.format(1)",
    f"'{{:{N}.2f}}'.format(id.number)",
    # repeated
    f"'a' * {N}",
    f"{N} * 'a'",
    f"[1] * {N}",
    f"(1, 2) * {N}",
    f"'a' * ({N} + 0.0)",
    "[[1] * 9999] * 9999 * 9999",
    # in filters
    f"'a\\nb' | indent({N})",
    "'a\\nb' | indent('x' * 7999999, true) | indent('y' * 7999999)",
    f"[1] | batch({N}, 0) | list",
    f"[1] | slice({N}, 0) | list",
    f"[1] | slice({N}) | list",
    "('aa' * 2000) | replace('a', 'b' * 99999)",
    "('a' * 4000000) | replace('', 'b' * 99999)",
    "'aa'.replace('a', 'b' * 7999999).replace('b', 'aaaa')",
    "(['a'] * 99999) | join('x' * 99999)",
    "'x'.join(['a'] * 99999) | replace('x', 'y' * 9999)",
    "('x' * 99999).join(['a'] * 99999)",
    f"1.5 | round({N})",
    f"5 | round(-{N})",
    f"5 | round({N}, 'floor')",
    f"[1, 2] | tojson(indent={N})",
    "[['x' * 999999] * 999] | tojson",
    "('x' * 7999999) | wordwrap(1)",
    "('x ' * 999999) | wordwrap(1, wrapstring='y' * 99999)",
    "('x' * 7999999) | list",
    "('x y ' * 1999999).split()",
    "('x' * 7999999) | urlencode | urlencode | urlencode",
    "('\\n' * 7999999).splitlines()",
    "('ﬃ' * 7999999) | upper | lower | upper",
    "('a' * 7999999) | int(0, 36)",
    "('<' * 7999999) | e | e | e",
    "range(99999) | map('center', 99999) | list",
    "range(99999) | map('string') | map('center', 9999) | join",
    # numbers
    f"10 ** {N}",
    f"2 ** {N}",
    "9 ** 9 ** 9 ** 9 ** 9 ** 9",
    f"(1.0000001 ** {N}) ** {N}",
    "0.1 ** 99999 * 3",
    "'9' * 9999999 | int",
    "2 ** 5000 * 2 ** 5000 * 2 ** 5000",
    "0x" + "f" * 40000,
    f"[1] * (10 ** {N})",
    "(10 ** 9999) % 7",
    # counted
    f"range({N}) | list",
    f"range({N})",
    "range(99999) | list + range(99999) | list",
    f"range({'9' * 99})",
]
WHOLE = [
    # doubled in a loop
    doubled("'ab'", "ns.x ~ ns.x"),
    doubled("'ab'", "ns.x + ns.x"),
    doubled("'ab'", "ns.x * 2"),
    doubled("[1]", "ns.x + ns.x"),
    doubled("[1]", "ns.x * 2"),
    doubled("3", "ns.x * ns.x"),
    doubled("1.0000001", "ns.x * ns.x"),
    doubled("'ab'", "[ns.x, ns.x] | join"),
    doubled("'ab'", "'%s%s' % (ns.x, ns.x)"),
    doubled("'ab'", "'{0}{0}'.format(ns.x)"),
    doubled("'a'", "ns.x | replace('a', 'aa')"),
    doubled("9.5", "ns.x ** 2"),
    doubled("[1]", "(ns.x, ns.x) | sum(start=[])"),
    doubled("'ab'", "ns.x.join(['x', 'y', 'z'])"),
    "{% set ns = namespace(x='ab') %}{% for i in range(40) %}"
    "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
    "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns = namespace(x='ab') %}"
    "{% for i in range(40) %}{% set ns.x = m(ns.x) %}{% endfor %}",
    "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x %}{% filter upper %}{{ ns.x }}{{ ns.x }}"
    "{% endfilter %}{% endset %}{% endfor %}",
    "{% macro m(x) %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call m() %}" * 15
    + "x" * 1000
    + "{% endcall %}" * 15
    + "{% set x %}{% call m() %}"
    + "{% endcall %}{% endset %}",
    "{% set x %}" + LOOP + "x" * 40000 + "{% endfor %}{% endset %}",
    # lists that hold one list twice, again and again: small, and endless to read
    *(
        doubled("[1]", "[ns.x, ns.x]", use)
        for use in (
            "{{ ns.x }}",
            "{{ ns.x ~ '' }}",
            "{{ ns.x | string }}",
            "{{ ns.x | join }}",
            "{{ '%s' % [ns.x] }}",
            "{{ '{}'.format(ns.x) }}",
            "{{ ns.x | tojson }}",
            "{% set y = ns.x | sort %}",
            "{{ ns.x == [ns.x] }}",
            "{{ [ns.x] | unique | list }}",
            "{{ ns.x() }}",
            "{{ ns.x in [[ns.x, 1]] }}",
            "{{ ns.x is in [[ns.x]] }}",
            "{{ 'x' | replace('x', ns.x) }}",
            "{{ [ns.x] | map('string') | list }}",
            "{{ [ns.x, ns.x] | min }}",
            "{{ '%r' % [ns.x] }}",
            "{{ '{!r}'.format(ns.x) }}",
            "{{ 'x'.ljust(9, ns.x ~ '') }}",
            "{{ 'x' is eq ns.x }}",
        )
    ),
    *(
        doubled("(1, 2)", "(ns.x, ns.x)", use)
        for use in (
            "{{ {}[ns.x] }}",
            "{{ {ns.x: 1} }}",
            "{{ dict([(ns.x, 1)]) }}",
            "{{ [1][ns.x] }}",
            "{{ {}.get(ns.x) }}",
            "{{ ns.x | unique | list }}",
            "{{ ns.x | first | first | list | join }}",
            "{{ ns.x < (1, 3) }}",
            "{{ note == ns.x }}",
            "{% for g in [{'a': ns.x}] | groupby('a') %}{{ g }}{% endfor %}",
        )
    ),
    # hours
    LOOP
    + "{% endfor %}"
    + "{% set r = [1] * 99999 %}{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}",
    "{% set r = [1] * 99999 %}{% for a in r if not (r | select('equalto', 2) | list) %}{% endfor %}",
    "{% set r = [1] * 9999 %}{% for a in r %}{% if r == r + [1] or 2 in r %}{% endif %}{% endfor %}",
    "{% set t = 'x' * 7999999 %}" + LOOP + "{% if t == t ~ '' or 'y' in t %}{% endif %}{% endfor %}",
    "{% set t = 'x' * 7999999 %}" + LOOP + "{% if t[1:] %}{% endif %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
    "{% macro m(n, l=[" + "n, " * 9000 + "]) %}"
    "{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
    "{% for a in [1, 2] recursive %}{% if loop.depth < 40 %}{{ loop([1, 2]) }}{% endif %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set r = range(99999) | list %}"
    "{% for a in r | batch(1) | map('list') | map('first') %}{{ r | sum }}{% endfor %}",
    "{% set r = [1] * 99999 %}{{ r" + " | select" * 4000 + " | list | length }}",
    "{% for a in range(99999) if " + "not [" + "a, " * 9000 + "] %}{% endfor %}",
    LOOP + "{{ '' if loop.changed([1] * 9999) }}{% endfor %}",
    "{% set s = '-' * 3999999 %}{{ s | wordwrap(1) }}{{ ('a-' * 999999) | wordwrap(2) }}" + "{{ s | title }}" * 99,
    "{% set s = '<!--' * 1999999 %}" + "{{ s | striptags }}" * 20,
    # while it is compiled
    "{% autoescape 'x' * 300000000 %}{% endautoescape %}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ a }}" * 99999,
    "{% for a in tags %}" * 25 + "{% endfor %}" * 25,
    "{{ " + "9" * 9999 + " }}",
    "{{ self.x() }}{% block x %}{{ self.x() }}{{ self.x() }}{% endblock %}",
]
TEMPLATES = [f"{{% set x = {text} %}}" for text in KEPT] + WHOLE
REASONS = (
    "does too much",
    "grows beyond",
    "repeats something beyond",
    "counts further than",
    "of more than",
    "no result",
    "puts lists into lists",
    "is none that a template may use",
    "keeps up to",
    "indents by up to",
    "takes texts of up to",
    "is not HTML",
    "nested too deeply",
    "longer than",
    "the sandbox forbids",
    "RecursionError",
    "`caller`",
)


def work(text: str) -> int:
    """A tenth of what a rendering may spend shows as well that it ends, but not that a long text is not too much."""
    return MAX_WORK if "99999" in text or str(N) in text else MAX_WORK // 10


@lru_cache(maxsize=1)
def answers() -> list[tuple[str, float]]:
    """What each template led to: all in one process, for starting it takes longer than they do."""
    run = [sys.executable, "-m", "tests.support.greedy"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        run,
        input=json.dumps([(text, work(text)) for text in TEMPLATES]),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=root,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("number", range(len(TEMPLATES)), ids=lambda number: TEMPLATES[number][:70])
def test_a_greedy_template_ends_soon_with_a_reason(number: int) -> None:
    assert len(answers()) > number, "it ended the process"
    answer, seconds = answers()[number]
    assert any(reason in answer for reason in REASONS), answer
    assert seconds < 4
