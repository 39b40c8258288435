"""Beside the documents: a mapping's own words as documents, so that an app can ask what a code or a term means."""

from __future__ import annotations

from dataclasses import dataclass

from sync.mapping.model import CodeTable, UnitColumn
from sync.mapping.plan import ColumnPlan, Plan, TablePlan


@dataclass(frozen=True)
class Term:
    """One document of the collection `<Mapping>Terms`. ``key`` is unique: ``term:PNR``, ``table:bookings``,
    ``values:customers.tier_cd``.
    """

    key: str
    title: str
    text: str


def terms(plan: Plan) -> list[Term]:
    """One per business term, per table that the mapping writes, and per list of values, in the mapping's order."""
    found = [Term(f"term:{name}", name, f"{name}: {meaning}") for name, meaning in plan.mapping.terms.items()]
    for name, table in plan.tables.items():
        if name in plan.mapping.tables:
            found.append(_table(table))
            found += [t for column in table.columns.values() if (t := _values(table, column)) is not None]
    return found


def _named(name: str) -> str:
    return name.replace("_", " ")


def _table(table: TablePlan) -> Term:
    title = _named(table.name)
    lines = [f"{title}: {table.description}." if table.description else f"{title}: a table."]
    if table.synonyms:
        lines.append(f"Also called {', '.join(table.synonyms)}.")
    lines += [_column(column) for column in table.columns.values() if column.treatment != "drop"]
    return Term(f"table:{table.name}", title, "\n".join(lines))


def _column(column: ColumnPlan) -> str:
    model = column.column
    parts = [column.label if column.label == _named(column.name) else f"{column.label} (column {column.name})"]
    if model.description:
        parts.append(model.description.rstrip("."))
    if model.synonyms:
        parts.append("also called " + ", ".join(model.synonyms))
    if isinstance(model.unit, str):
        parts.append(f"in {model.unit}")
    elif isinstance(model.unit, UnitColumn):
        parts.append(f"in the unit that {_named(model.unit.column)} says")
    if model.empty is not None:
        parts.append(f'empty reads as "{model.empty}"')
    if column.treatment == "mask":
        parts.append("private: only the first character is kept")
    elif column.treatment == "hash":
        parts.append("private: only a token is kept")
    return "; ".join(parts) + "."


def _values(table: TablePlan, column: ColumnPlan) -> Term | None:
    values = column.column.values
    if values is None or isinstance(values, str) or column.treatment == "drop":
        return None
    title = f"{column.label} of {_named(table.name)}"
    lines = [f"Codes of {column.label} ({table.name}.{column.name})."]
    if isinstance(values, CodeTable):
        lines.append(f"Their words stand in the table {_named(values.table)}.")
    else:
        lines += [f"{code} means {words}." for code, words in values.items()]
    return Term(f"values:{table.name}.{column.name}", title, "\n".join(lines))
