"""What is in a source's way, as `headrace status` shows it: why it must be read again, and what hinders that.

Both stand in one text, a line each: the first is noted by who finds a gap, the second by who cannot mend it.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from sync.state.registry import SOURCE


def why(noted: str | None) -> str | None:
    """Why the source must be read again, without what hinders it."""
    return (noted or "").partition("\n")[0] or None


def note_hindrance(connection: Connection, mapping: str, source: str, words: str | None) -> None:
    """Note what keeps the source from being begun; None: nothing does. Writes only what is not noted yet."""
    one = (SOURCE.c.mapping == mapping, SOURCE.c.name == source)
    found = connection.execute(select(SOURCE.c.trouble).where(*one)).one_or_none()
    if found is None:
        return  # the mapping was removed: nobody asks for it
    wanted = "\n".join([why(found.trouble) or "", words.replace("\n", " ")]) if words else why(found.trouble)
    if found.trouble != wanted:
        connection.execute(update(SOURCE).where(*one).values(trouble=wanted))


def shown(noted: str | None) -> str | None:
    """As one sentence, for readers."""
    return "; ".join(line for line in (noted or "").split("\n") if line) or None
