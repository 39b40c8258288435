"""`headrace show`: one document as it would be written, made of the live rows; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sync.cli import mapping_files, terminal
from sync.cli.applied_mappings import document_key
from sync.cli.environment import settings
from sync.cli.mapping_files import counted, nearest
from sync.errors import BuildError, SettingsError

if TYPE_CHECKING:
    from sync.mapping.build import Built
    from sync.mapping.plan import DocumentPlan, Plan


@dataclass(frozen=True)
class Private:
    """A private column of a table that the document reads, and what becomes of it before Kafka."""

    column: str  # "customers.email"
    pii: str
    treatment: str

    @property
    def meaning(self) -> str:
        return {
            "mask": "only its first character is captured",
            "hash": "only a salted token is captured",
            "drop": "never captured",
        }[self.treatment]


def show(
    document: Annotated[str, typer.Argument(metavar="[MAPPING.]DOCUMENT", help="The document type.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="The root row's key: 7, or [7,2] for several columns.")],
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="Look in this mapping, not in mappings/*.yml.", show_default=False
        ),
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Print one document from the live database: its text, chunks, properties, and what of it is private.

    Reads the source directly and needs nothing else; private values are masked and hashed as the connector does it.
    Exit code 1 where there is no such document, or where it would be parked.

    Examples:

        headrace show booking 7
        headrace show airline.ticket '[7,2]' --file mappings/airline.yml
    """
    plan, found = _find(mapping_files.chosen(file), document)
    built, reason = _build(plan, found, document_key(found, key))
    private = _private(plan, found)
    if json:
        terminal.print_json(_json(plan, found, key, built, reason, private))
    elif built is not None:
        _print(built, private)
    if built is None:
        if not json:
            terminal.fail(reason)
        raise typer.Exit(terminal.FINDINGS)


def _find(files: list[str], name: str) -> tuple[Plan, DocumentPlan]:
    """The document type ``document`` or ``mapping.document`` of these files. Raises SettingsError, MappingError."""
    from sync.mapping.load import load
    from sync.mapping.plan import plan

    wanted, _, short = name.rpartition(".")
    loaded = [load(file) for file in files]
    mappings = [each.accepted() for each in loaded] if len(files) == 1 else [e.mapping for e in loaded if e.mapping]
    names = [f"{mapping.name}.{document}" for mapping in mappings for document in mapping.documents]
    matching = [full for full in names if full == name or (not wanted and full.endswith(f".{short}"))]
    if not matching:
        known = names if wanted else {full.split(".", 1)[1] for full in names}
        raise SettingsError(
            f"no document {name} in {', '.join(files)}{nearest(name, known)}",
            advice=f"There are: {', '.join(sorted(known))}." if known else "No mapping there has a document.",
        )
    if len(matching) > 1:
        raise SettingsError(f"several documents are called {name}: {', '.join(matching)}", advice="Name one in full.")
    of, _, chosen = matching[0].partition(".")
    from_file = next(each for each in loaded if each.mapping and each.mapping.name == of)
    mapping = next(mapping for mapping in mappings if mapping.name == of)
    # Without the types a value may read, and a token be cut, otherwise than in the service.
    made = plan(mapping, from_file.lock or mapping_files.read_catalogues(from_file, mapping))
    return made, made.documents[chosen]


def _build(plan: Plan, document: DocumentPlan, key: str) -> tuple[Built | None, str]:
    """The document, or None and why there is none."""
    from connectors.registration import source_database
    from sync.cli.source_rows import SourceRows
    from sync.mapping.assemble import assemble
    from sync.mapping.build import build

    needed = {node.of.source for node in document.nodes()}
    databases = {source: source_database(plan.mapping, source) for source in needed}
    gathered = assemble(plan, document, [key], SourceRows(plan, databases, settings()))[key]
    if gathered is None:
        condition = ", or `where` rejects it" if document.model.where else ""
        return None, f"there is no {document.name} {key}: {document.root.table} has no such row{condition}"
    try:
        return build(plan, document, gathered), ""
    except BuildError as exc:
        return None, f"{document.name} {key} would be parked: {exc}" + (f" ({exc.advice})" if exc.advice else "")


def _private(plan: Plan, document: DocumentPlan) -> list[Private]:
    tables = dict.fromkeys(node.table for node in document.nodes())
    return [
        Private(f"{table}.{column.name}", column.column.pii or "", column.treatment)
        for table in tables
        for column in plan.tables[table].columns.values()
        if column.treatment is not None
    ]


def _json(
    plan: Plan, document: DocumentPlan, key: str, built: Built | None, reason: str, private: list[Private]
) -> dict[str, Any]:
    from sync.mapping.chunks import count_tokens

    head: dict[str, Any] = {"mapping": plan.mapping.name, "document": document.name, "key": key}
    if built is None:
        return {**head, "problem": reason}
    return {
        **head,
        "title": built.title,
        "text": built.text,
        "chunks": [{"text": chunk, "tokens": count_tokens(chunk)} for chunk in built.chunks],
        "properties": built.properties,
        "private": [{"column": p.column, "class": p.pii, "treatment": p.treatment} for p in private],
    }


def _print(built: Built, private: list[Private]) -> None:
    from sync.mapping.chunks import count_tokens

    _heading("title")
    terminal.line(built.title)
    _heading("text")
    terminal.line(built.text)
    _heading(counted(len(built.chunks), "chunk"))
    for number, chunk in enumerate(built.chunks):
        head = Text(f"{number}: {counted(count_tokens(chunk), 'token')}", "dim")
        terminal.line(head)
        if len(built.chunks) > 1:
            terminal.line(chunk, indent=2)
    if built.properties:
        _heading("properties")
        terminal.show(terminal.table(["NAME", "VALUE"], [[n, _value(v)] for n, v in built.properties.items()]))
    if private:
        _heading("private")
        terminal.show(
            terminal.table(
                ["COLUMN", "CLASS", "TREATMENT"], [[p.column, p.pii, f"{p.treatment}: {p.meaning}"] for p in private]
            )
        )


def _heading(text: str) -> None:
    if text != "title":
        terminal.line()
    terminal.line(text.upper(), "dim")


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
