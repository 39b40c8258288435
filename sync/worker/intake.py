"""Between Faust and ① apply: records decoded, checked against the position, cut where no transaction is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from connectors.change import Record
from connectors.envelope import decode
from sync.apply.apply import Applier
from sync.apply.transactions import last_cut
from sync.errors import Gap

STEP = 1_000  # records of one transaction on the state: confirmations of writes get their turn in between


class Intake:
    """Takes what was fetched for one source and applies it; holds back an unfinished transaction."""

    def __init__(self, applier: Applier, on_applied: Callable[[], None]) -> None:
        self.applier, self._on_applied = applier, on_applied
        self._held: list[Record] = []
        self._hashes: dict[int, str] = {}
        self._last_applied: tuple[int, str] | None = None
        self._fetch: Sequence[Any] = ()
        self._fetched = -1

    @property
    def reached(self) -> int:
        """The offset of the last record taken, applied or held."""
        return self._held[-1].offset if self._held else self.applier.progress.offset

    def begin(self) -> int:
        """The offset to read from: what the state has applied, and nothing held from an earlier assignment."""
        self._held, self._hashes = [], {}
        self._fetch, self._fetched = (), -1
        progress = self.applier.reload()
        if progress.last_hash is None:
            return progress.offset + 1
        # The last applied record is read once more: it tells whether the log is still the same one.
        self._last_applied = (progress.offset, progress.last_hash)
        return progress.offset

    def take(self, fetched: Sequence[Any]) -> None:
        """Apply what can be applied; may be called twice with the same records.

        Raises Gap, Fenced, StateUnreachable.
        """
        if fetched and fetched is not self._fetch:
            self._compare(fetched[0])
            self._fetch, self._fetched = fetched, fetched[-1].offset
        for start in range(0, len(fetched), STEP):  # decoded a record takes ten times its bytes: never all at once
            self._apply(self._held + self._decode(fetched[start : start + STEP]))

    def _apply(self, records: list[Record]) -> None:
        while records:
            step = records[:STEP]
            cut = last_cut(step, held_at_most=STEP // 2)
            if cut == 0:
                if len(records) <= STEP:
                    break
                cut = STEP
            self.applier.apply(records[:cut], self._hashes.get(records[cut - 1].offset))
            records = records[cut:]
            self._held = records  # what is applied is not applied again when a later step raises
            self._on_applied()
        self._held = records
        self._hashes = {one.offset: self._hashes[one.offset] for one in records}

    def _decode(self, fetched: Sequence[Any]) -> list[Record]:
        """The records after what is applied and held. A missing one between is a gap, and never silent."""
        last = self.reached
        records: list[Record] = []
        for raw in fetched:
            if raw.offset <= last:
                continue
            if raw.offset != last + 1:
                raise Gap(
                    f"{self.applier.registered.name}.{self.applier.source}: the topic continues at offset "
                    f"{raw.offset}, but {last + 1} comes next"
                )
            records.append(decode(raw.key, raw.value, raw.headers, raw.offset))
            last = raw.offset
            self._hashes[last] = fingerprint(raw.key, raw.value)
        return records

    def _compare(self, first: Any) -> None:
        """Kafka answers a position that it does not have with its first record: a shorter log shows here."""
        topic = f"{self.applier.registered.name}.{self.applier.source}"
        if first.offset <= self._fetched:
            raise Gap(f"{topic}: the topic goes back to offset {first.offset} from {self._fetched}")
        if self._last_applied is None:
            return
        offset, known = self._last_applied
        if first.offset < offset:
            raise Gap(f"{topic}: the topic goes back to offset {first.offset}, and {offset} was applied")
        if first.offset == offset and fingerprint(first.key, first.value) != known:
            raise Gap(f"{topic}: the record at offset {offset} is not the one that was applied")
        self._last_applied = None


def fingerprint(key: bytes | None, value: bytes | None) -> str:
    """What ``progress`` remembers of the last applied record, to tell whether the log is still the same one."""
    return blake2b((key or b"") + b"\0" + (value or b""), digest_size=8).hexdigest()
