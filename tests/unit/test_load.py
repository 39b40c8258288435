"""Loading: YAML 1.2 with lines and columns, all mistakes at once, glossaries, locks and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.errors import MappingError, SettingsError
from sync.mapping.load import Loaded, load, missing_env, resolve_env
from sync.mapping.yaml_tree import MAX_BYTES, parse, plain

AIRLINE = Path(__file__).parents[2] / "mappings" / "airline.yml"
SMALL = """\
version: 1
name: shop
source: {connector: postgres, url: "${SHOP_URL}"}
tables:
  items:
    key: id
    columns:
      id: item number
      code: {label: code, values: {A: new}}
documents:
  item:
    root: items
"""


def load_text(text: str | bytes) -> Loaded:
    return load("shop.yml", text)


def said(loaded: Loaded) -> list[str]:
    return [str(finding) for finding in loaded.findings]


def columns(text: str) -> Loaded:
    """SMALL with these columns."""
    return load_text(SMALL.replace("      id: item number\n", f"      id: item number\n{text}"))


def test_the_mapping_that_ships_loads_with_its_lock_and_nothing_to_say() -> None:
    loaded = load(AIRLINE)
    assert loaded.findings == []
    assert loaded.accepted().documents["booking"].with_["tickets"].order == ("seq_no",)
    assert loaded.lock is not None
    assert loaded.lock.sources["airline"].tables["public.tickets"].key == ("booking_id", "seq_no")


# --- YAML


def test_what_is_no_yaml_says_so_with_its_line() -> None:
    loaded = load_text("version: 1\nname: [shop\ntables: {}\n")
    assert loaded.mapping is None
    assert said(loaded)[0].startswith("shop.yml:3:7 M003 error not YAML: ")


def test_tabs_are_named_as_what_they_are() -> None:
    assert "never with tabs" in said(load_text("version: 1\nowner:\n\tteam: x\n"))[0]


def test_control_characters_are_found_in_their_place() -> None:
    assert said(load_text("version: 1\nname: a\x07b\n")) == [
        "shop.yml:2:8 M003 error a control character: YAML text has none; write it as an escape in quotes"
    ]


def test_a_file_that_is_not_utf_8_says_in_which_line() -> None:
    assert said(load_text(b"version: 1\nname: caf\xe9\n")) == [
        "shop.yml:2:1 M001 error not UTF-8: save the file as UTF-8"
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_that_it_is_empty(text: str) -> None:
    assert said(load_text(text)) == ["shop.yml:1:1 M013 error the file is empty"]


@pytest.mark.parametrize("text", ["hello", "- a\n- b\n", "42"])
def test_a_file_that_is_no_mapping_says_what_one_starts_with(text: str) -> None:
    assert "expected a mapping that starts with `version: 1`" in said(load_text(text))[0]


@pytest.mark.parametrize(
    "word",
    ["yes", "no", "on", "off", "ON", "NO", "y", "010", "007", "12:30", "12:30:00", "2026-03-01", "1_000", "0b1", "08"],
)
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(word: str) -> None:
    assert plain(parse(f"value: {word}\n{word}: key\n", "x").root) == {"value": word, word: "key"}


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "{a: 1, b: -2.50, c: 0x1F, d: 0o17, e: true, f: False, g: null, h: ~, i: , j: .inf, k: 1e3, l: '1', m: +7}"
    assert plain(parse(text, "x").root) == {
        "a": 1, "b": -2.5, "c": 31, "d": 15, "e": True, "f": False, "g": None, "h": None, "i": None,
        "j": float("inf"), "k": 1000.0, "l": "1", "m": 7,
    }  # fmt: skip


def test_codes_that_look_like_truth_or_numbers_stay_apart() -> None:
    loaded = columns(
        "      st: {values: {ON: on time, NO: none, OFF: off, 010: ten, 10: other ten, 1.0: one, true: yes}}\n"
    )
    values = loaded.accepted().tables["items"].columns["st"].values
    assert values == {
        "ON": "on time",
        "NO": "none",
        "OFF": "off",
        "010": "ten",
        "10": "other ten",
        "1.0": "one",
        "true": "yes",
    }


def test_where_a_text_is_asked_a_number_reads_as_it_is_written() -> None:
    loaded = columns("      st: {label: 489.50, values: {1: 010, 2: TRUE, 3: 1e3}, empty: 0}\n")
    column = loaded.accepted().tables["items"].columns["st"]
    assert (column.label, column.values, column.empty) == ("489.50", {"1": "010", "2": "TRUE", "3": "1e3"}, "0")


def test_yaml_1_1_cannot_be_asked_for() -> None:
    loaded = load_text("%YAML 1.1\n---\n" + SMALL.replace("A: new", "A: yes, NO: off"))
    assert loaded.accepted().tables["items"].columns["code"].values == {"A": "yes", "NO": "off"}


def test_every_duplicate_key_is_found_and_says_where_the_first_is() -> None:
    loaded = columns("      id: again\n      st: {label: a, label: b, values: {1: x, '1': y}}\n")
    assert said(loaded) == [
        "shop.yml:9:7 M012 error duplicate key id: already at line 8; remove or rename one",
        "shop.yml:10:22 M012 error duplicate key label: already at line 10; remove or rename one",
        "shop.yml:10:47 M012 error duplicate key 1: already at line 10; remove or rename one",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object:os.system x\n", "the tag tag:yaml.org,2002:python/object:os.system"),
        ("a: !secret x\n", "the tag !secret"),
        ("base: &b {x: 1}\na: {<<: *b}\n", "the merge key <<"),
        ("? [a, b]\n: c\n", "a list or mapping as a key"),
        ("a: 1\n---\nb: 2\n", "a second YAML document"),
    ],
)
def test_yaml_that_a_mapping_does_not_use_is_refused(text: str, message: str) -> None:
    (finding,) = [f for f in load_text(text).findings if f.code == "M004"]
    assert message in finding.message


@pytest.mark.parametrize("text", ["a: *nothing\n", "a: &a [*a]\n", "a: &a {b: *a}\n"])
def test_an_alias_to_nothing_or_to_itself_is_refused(text: str) -> None:
    assert [f.code for f in parse(text, "x").findings] == ["M003"]


def test_an_alias_repeats_what_it_names() -> None:
    assert plain(parse("a: &a {b: [1, 2]}\nc: *a\n", "x").root) == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


def test_an_alias_bomb_is_stopped() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    findings = load_text(f"a0: &a0 [x, x]\n{levels}\n").findings
    assert [finding.code for finding in findings] == ["M002"]
    assert "aliases counted" in findings[0].message


@pytest.mark.parametrize("text", ["[" * 2_000, "{a: " * 50_000, "- " * 50_000])
def test_brackets_without_end_are_stopped(text: str) -> None:
    (finding,) = load_text(text).findings
    assert finding.code in ("M002", "M003")


def test_a_file_of_two_megabytes_is_refused_at_once() -> None:
    loaded = load_text(SMALL + "# " + "x" * 2_000_000)
    (finding,) = loaded.findings
    assert loaded.mapping is None
    assert finding.code == "M002"
    assert f"{MAX_BYTES:,} bytes" in finding.message


def test_a_large_file_on_disk_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "big.yml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it whole would not end
    assert [finding.code for finding in load(path).findings] == ["M002"]


def test_a_file_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "airline.yml").write_text("")
    (finding,) = load(tmp_path / "airlin.yml").findings
    assert finding.code == "M001"
    assert "nearest: airline.yml" in finding.message


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_path_that_cannot_be_a_file_is_a_finding(name: str, tmp_path: Path) -> None:
    (finding,) = load(str(tmp_path) + "/" + name).findings
    assert finding.code == "M001"


# --- shape


def test_an_unknown_field_names_the_nearest_valid_one() -> None:
    assert said(columns("      st: {lable: status}\n")) == [
        "shop.yml:9:12 M010 error tables.items.columns.st: unknown field lable (nearest: label)"
    ]


def test_all_mistakes_of_shape_are_said_at_once_each_in_its_place() -> None:
    loaded = load_text(
        """\
version: "1"
tables:
  a:
    columns:
      x: {lable: foo, timezone: {colum: 2}, say: perhaps}
      y: [1, 2]
      z: {pii: {a: 1}, type: strng, unknown: pork, scale: 0}
documents:
  d: {root: a, with: {q: {one: b}}, chunk: {max_tokens: 3.5}}
privacy: {name: msk}
"""
    )
    assert [(f.line, f.column, f.code) for f in loaded.findings] == [
        (1, 1, "M011"), (1, 10, "M014"), (5, 11, "M010"), (5, 23, "M011"), (5, 34, "M010"), (5, 50, "M013"),
        (6, 10, "M013"), (7, 11, "M013"), (7, 30, "M014"), (7, 46, "M014"), (7, 59, "M014"), (9, 23, "M011"),
        (9, 57, "M013"), (10, 17, "M014"),
    ]  # fmt: skip
    messages = "\n".join(said(loaded))
    assert "write 1 without quotes" in messages
    assert "(nearest: park)" in messages
    assert "privacy.name: msk is not allowed (nearest: mask)" in messages
    assert "by is missing" in messages


def test_a_mistake_in_a_block_of_the_file_is_found_in_its_own_line() -> None:
    loaded = columns("      st:\n        label: status\n        values:\n          A: [new]\n")
    assert said(loaded) == ["shop.yml:12:14 M013 error tables.items.columns.st.values.A: expected a text, found a list"]


def test_short_forms_are_what_they_stand_for() -> None:
    loaded = load_text(
        SMALL.replace("      id: item number\n", "      id:\n      x: 7\n")
        + "    filters: {number: id, x: x}\n    with: {all: {many: items, by: id, order: [-id, x]}}\n"
        + "terms:\nprivacy:\ntests:\nglossary: []\n"
    )
    mapping = loaded.accepted()
    assert mapping.tables["items"].columns["id"].label is None
    assert mapping.tables["items"].columns["x"].label == "7"
    assert mapping.documents["item"].filters == ({"number": "id"}, {"x": "x"})
    assert mapping.documents["item"].with_["all"].order == ("-id", "x")
    assert (mapping.terms, mapping.tests) == ({}, ())


def test_a_mapping_with_errors_is_not_handed_on() -> None:
    loaded = columns("      st: {lable: status}\n")
    assert loaded.mapping is None
    assert loaded.draft is not None
    with pytest.raises(MappingError, match="unknown field lable"):
        loaded.accepted()


def test_standard_input_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("-", "a: [").findings[0].file == "<stdin>"


# --- glossaries


GLOSSARY = "terms:\n  PNR: booking reference\nvalues:\n  states: {ON: on time, OFF: off block}\n"


def with_glossary(folder: Path, text: str, glossary: str = GLOSSARY) -> Loaded:
    (folder / "glossary").mkdir()
    (folder / "glossary" / "codes.yml").write_text(glossary)
    path = folder / "shop.yml"
    path.write_text("glossary: [glossary/codes.yml]\n" + text)
    return load(path)


def test_a_glossarys_terms_and_value_lists_are_merged(tmp_path: Path) -> None:
    loaded = with_glossary(tmp_path, SMALL.replace("values: {A: new}", "values: states"))
    mapping = loaded.accepted()
    assert mapping.terms == {"PNR": "booking reference"}
    assert mapping.tables["items"].columns["code"].values == {"ON": "on time", "OFF": "off block"}
    words = loaded.positions.finding(("tables", "items", "columns", "code", "values", "OFF"), "M110", "x", key=True)
    assert (Path(words.file).name, words.line, words.column) == ("codes.yml", 4, 25)


def test_a_value_list_that_no_glossary_holds_names_the_nearest(tmp_path: Path) -> None:
    loaded = with_glossary(tmp_path, SMALL.replace("values: {A: new}", "values: stats"))
    assert said(loaded)[0].endswith(
        "shop.yml:10:35 M022 error tables.items.columns.code: no glossary holds the value list stats (nearest: states)"
    )


def test_a_term_with_two_meanings_is_a_finding_in_the_glossary(tmp_path: Path) -> None:
    loaded = with_glossary(tmp_path, SMALL + "terms: {PNR: something else}\n")
    (finding,) = loaded.findings
    assert (Path(finding.file).name, finding.line, finding.code) == ("codes.yml", 2, "M021")


def test_a_term_said_twice_in_the_same_words_is_none(tmp_path: Path) -> None:
    assert with_glossary(tmp_path, SMALL + "terms: {PNR: booking reference}\n").findings == []


def test_a_missing_glossary_is_one_finding_and_not_one_per_list(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(SMALL.replace("values: {A: new}", "values: states") + "glossary: [gone.yml]\n")
    (finding,) = load(path).findings
    assert (finding.line, finding.code) == (13, "M020")
    assert "gone.yml: no such file" in finding.message


@pytest.mark.parametrize("glossary", ["terms: [", "term: {}\n", "terms: {a: [b]}\n", "- a\n", ""])
def test_mistakes_in_a_glossary_carry_its_name(glossary: str, tmp_path: Path) -> None:
    findings = with_glossary(tmp_path, SMALL, glossary).findings
    assert {Path(finding.file).name for finding in findings} == {"codes.yml"}


# --- the environment


def test_a_variable_is_resolved_only_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql://shop:secret@db/shop")
    loaded = load_text(SMALL)
    assert "secret" not in repr(loaded)
    source = loaded.accepted().source
    assert source is not None
    assert resolve_env(source.url or "") == "postgresql://shop:secret@db/shop"
    assert missing_env(loaded.accepted()) == []


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_URL", raising=False)
    assert missing_env(load_text(SMALL).accepted()) == ["SHOP_URL"]
    with pytest.raises(SettingsError, match="SHOP_URL is not set"):
        resolve_env("postgresql://${SHOP_URL}/x")
    with pytest.raises(SettingsError, match="name of an environment variable"):
        resolve_env("${not a name}")


def test_a_text_without_variables_stays_as_it_is() -> None:
    assert resolve_env("postgresql://h/$x{y}") == "postgresql://h/$x{y}"
