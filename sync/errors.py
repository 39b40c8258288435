"""Every error that Headrace raises, in one tree; each knows whether to try again and what to advise.

HeadraceError
├── SettingsError              a setting is missing or makes no sense
├── MappingError               a mapping has findings that are errors
├── SourceError                the source database
│   ├── SourceUnreachable          (retry) nothing answers there
│   ├── SourceRefused              it answers and says no: password, rights, missing database
│   └── PreflightFailed            it lacks something that change capture needs
├── ConnectError               Kafka Connect's REST API
│   ├── ConnectUnreachable         (retry) nothing answers, or it is still starting or rebalancing
│   ├── ConnectRefused             it answers and says no
│   └── ConnectorFailed            the connector or its task is FAILED
├── KafkaError
│   └── KafkaUnreachable           (retry)
├── ChangeError
│   └── Undecodable                a record of the topic that is no envelope we know
├── StateError                 the state database
│   ├── StateUnreachable           (retry)
│   ├── StateConflict              (retry, at once) another worker's transaction was in the way
│   ├── StateInUse                 a second worker on a state that allows one
│   ├── StateOutdated              its tables are those of another version
│   ├── BackfillRefused            a source is being read anew already
│   ├── Fenced                     another worker owns this partition or bucket now
│   └── Gap                        the log no longer continues where we stopped
├── BuildError                 a document cannot be built from its rows: it is parked
├── EmbedError
│   ├── EmbedderUnreachable        (retry)
│   ├── EmbedderLimited            (retry, after the time it names)
│   └── EmbedderRefused            it answers and says no
└── WeaviateError
    ├── WeaviateUnreachable        (retry) the request certainly had no effect, or none was sent
    ├── OutcomeUnknown             (retry) the request may have had, or may still have, its effect
    ├── WeaviateRefused            it answers and says no to the whole request
    └── ObjectRefused              it says no to one object: that document is parked
        Of both there are some with (retry): the reason is Weaviate's own and passes (a shard that takes no writes, a
        shortage of memory, a limit). Those documents wait; none is parked.
"""

from __future__ import annotations


class HeadraceError(Exception):
    """Anything Headrace raises on purpose.

    ``retry`` says whether the same act may succeed later without anybody's doing;
    ``advice`` is a sentence for the person who reads the message. Neither the message
    nor the advice ever holds a password or a row's value.
    """

    retry: bool = False
    advice: str = ""

    def __init__(self, message: str, *, advice: str | None = None, retry: bool | None = None) -> None:
        super().__init__(message)
        if advice is not None:
            self.advice = advice
        if retry is not None:  # where it depends on what the other side said
            self.retry = retry


class SettingsError(HeadraceError):
    advice = "`headrace doctor` lists every setting with its value and where it came from."


class MappingError(HeadraceError):
    advice = "`headrace lint FILE` lists every finding with its line and column."


class SourceError(HeadraceError):
    pass


class SourceUnreachable(SourceError):
    retry = True
    advice = "Check host and port of the source's url, and that the database is running."


class SourceRefused(SourceError):
    advice = "Check user, password and database of the source's url, and the user's rights."


class PreflightFailed(SourceError):
    advice = "Run the SQL that is named with each finding, then apply again."


class ConnectError(HeadraceError):
    pass


class ConnectUnreachable(ConnectError):
    retry = True
    advice = "Check HEADRACE_CONNECT_URL, and that Kafka Connect is running."


class ConnectRefused(ConnectError):
    pass


class ConnectorFailed(ConnectError):
    advice = "Mend the cause, then `headrace apply` the mapping again: it restarts a failed task."


class KafkaError(HeadraceError):
    pass


class KafkaUnreachable(KafkaError):
    retry = True
    advice = "Check HEADRACE_KAFKA, and that the broker is running."


class ChangeError(HeadraceError):
    pass


class Undecodable(ChangeError):
    advice = "The record stays in its topic; nothing else waits for it."


class StateError(HeadraceError):
    pass


class StateUnreachable(StateError):
    retry = True
    advice = "Check HEADRACE_STATE_URL, and that the state database is running."


class StateConflict(StateError):
    """The transaction was taken back whole: a deadlock, or a lock that was not to be had."""

    retry = True


class StateInUse(StateError):
    advice = "SQLite allows one worker. Stop the other, or set HEADRACE_STATE_URL to a PostgreSQL database."


class StateOutdated(StateError):
    advice = (
        "Nothing is migrated yet: with that version `headrace remove` what is applied, then name a new state in "
        "HEADRACE_STATE_URL and `headrace apply` again."
    )


class BackfillRefused(StateError):
    pass


class Fenced(StateError):
    retry = True


class Gap(StateError):
    retry = True
    advice = "The source is read again from a new snapshot; `headrace status` shows how far it is."


class BuildError(HeadraceError):
    pass


class EmbedError(HeadraceError):
    pass


class EmbedderUnreachable(EmbedError):
    retry = True


class EmbedderLimited(EmbedError):
    """The embedder asks for a pause; ``after`` is in seconds."""

    retry = True

    def __init__(self, message: str, *, after: float, advice: str | None = None) -> None:
        super().__init__(message, advice=advice)
        self.after = after


class EmbedderRefused(EmbedError):
    pass


class WeaviateError(HeadraceError):
    pass


class WeaviateUnreachable(WeaviateError):
    retry = True
    advice = "Check HEADRACE_WEAVIATE_URL, and that Weaviate is running. Documents stay owed meanwhile."


class OutcomeUnknown(WeaviateError):
    retry = True


class WeaviateRefused(WeaviateError):
    pass


class ObjectRefused(WeaviateError):
    pass
