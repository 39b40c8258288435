"""Kafka Connect's REST API, by which connectors are made, watched and taken away.

Protocol: https://kafka.apache.org/documentation/#connect_rest. A 409 (the worker group rebalances) and a 500 or 503
(a request that timed out inside the group, a worker that starts) are tried again; every request here may be. So is a
404 that has no error_code: a worker's server listens for seconds before it has Connect's paths, and answers it to all.
"""

from __future__ import annotations

import difflib
import functools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import requests
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from connectors.secrets import masked, secrets_of
from connectors.status import Status, Task
from sync.errors import ConnectError, ConnectorFailed, ConnectRefused, ConnectUnreachable

Config = Mapping[str, str]
P = ParamSpec("P")
T = TypeVar("T")
AGAIN = frozenset({409, 500, 502, 503, 504})
VALIDATE_TIMEOUT = 95.0  # seconds: Connect itself gives a request up after 90


class _Again(Exception):
    """An answer after which the same request may succeed; ``text`` says what it was."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def _understood(method: Callable[P, T]) -> Callable[P, T]:
    """Reads JSON of another shape than Connect's as what it is: an answer of something else."""

    @functools.wraps(method)
    def read(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise ConnectUnreachable(
                f"{getattr(args[0], 'url', '')} answers with JSON of an unknown shape: is it Kafka Connect?"
            ) from exc

    return read


class Connect:
    """One Kafka Connect cluster, through any of its workers.

    ``timeout`` (seconds) is that of one request, ``patience`` (seconds) how long a request is repeated while the
    cluster answers that it is busy. A worker that does not answer at all is ConnectUnreachable at once: whether to
    wait for it is the caller's decision. Raises ConnectUnreachable, ConnectRefused and ConnectorFailed.
    """

    def __init__(self, url: str, *, timeout: float = 10.0, patience: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self.timeout, self.patience = timeout, patience
        self._session = requests.Session()
        self._session.headers["Accept"] = "application/json"

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Connect:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @_understood
    def version(self) -> str:
        """Kafka Connect's version; the shortest way to ask whether it is there."""
        return str(self._json("GET", "/")["version"])

    @_understood
    def plugins(self) -> dict[str, str]:
        """Class → version of the connector plugins that the answering worker has."""
        found = self._json("GET", "/connector-plugins")
        return {each["class"]: str(each.get("version", "")) for each in found}

    def require_plugin(self, connector_class: str) -> None:
        """Raise ConnectRefused, with what there is instead, where a connector class is not installed."""
        have = self.plugins()
        if connector_class not in have:
            near = difflib.get_close_matches(connector_class, have, n=1, cutoff=0.5)
            known = f"the nearest is {near[0]}" if near else f"it has {', '.join(sorted(have)) or 'none'}"
            raise ConnectRefused(
                f"Kafka Connect at {self.url} has no connector plugin {connector_class}; {known}",
                advice="Unpack the connector's plugin into a folder of Kafka Connect's plugin.path, then restart it.",
            )

    @_understood
    def names(self) -> list[str]:
        return sorted(self._json("GET", "/connectors"))

    @_understood
    def config(self, name: str) -> dict[str, str] | None:
        """A connector's configuration, passwords included; None if there is no such connector."""
        found = self._json("GET", f"{_path(name)}/config", missing=True)
        return {key: str(value) for key, value in found.items()} if found is not None else None

    def put(self, name: str, config: Config) -> bool:
        """Create or change a connector; True if anything changed.

        An equal configuration is not sent: Connect would restart the connector for it.
        """
        wanted = dict(config) | {"name": name}
        if self.config(name) == wanted:
            return False
        self._json("PUT", f"{_path(name)}/config", wanted, config=wanted)
        return True

    def create_stopped(self, name: str, config: Config) -> None:
        """Create a connector that does not run yet, so that offsets which an older one of this name left can go."""
        wanted = dict(config) | {"name": name}
        body = {"name": name, "config": wanted, "initial_state": "STOPPED"}
        try:
            self._json("POST", "/connectors", body, config=wanted)
        except ConnectRefused:
            # A first try that seemed to fail may have been carried out.
            if self.config(name) != wanted:
                raise
        self.stop(name)

    @_understood
    def validate(self, connector_class: str, config: Config) -> list[str]:
        """What Connect and the connector say against a configuration, a sentence each; empty if nothing.

        Debezium connects to the database for it.
        """
        wanted = {"connector.class": connector_class, **config}
        path = f"/connector-plugins/{quote(connector_class, safe='')}/config/validate"
        found = self._json("PUT", path, wanted, config=wanted, timeout=VALIDATE_TIMEOUT)
        secrets = secrets_of(wanted)
        return [
            masked(f"{each['value']['name']}: {error}", secrets)
            for each in found.get("configs", ())
            if each.get("value")  # a key that is only defined has none
            for error in each["value"].get("errors") or ()
        ]

    @_understood
    def status(self, name: str) -> Status | None:
        """A connector's state with its tasks'; None if it does not exist, or not yet."""
        found = self._json("GET", f"{_path(name)}/status", missing=True)
        if found is None:
            return None
        own = found["connector"]
        tasks = tuple(Task(t["id"], t["state"], t.get("trace") or "") for t in found["tasks"])
        return Status(own["state"], own.get("trace") or "", tasks)

    def wait_running(self, name: str, timeout: float = 60.0) -> None:
        """Return when the connector and every task run.

        Raises ConnectorFailed with the first line of the trace, or with the last state seen at the timeout.
        """
        found = self._wait(name, timeout, lambda status: status is not None and (status.running or status.failed))
        if found is None or not found.running:
            self._fail(name, found, timeout)

    def restart(self, name: str) -> None:
        """Start a failed connector and its failed tasks again."""
        self._json("POST", f"{_path(name)}/restart?includeTasks=true&onlyFailed=true")

    def stop(self, name: str, timeout: float = 60.0) -> bool:
        """Stop a connector and wait until no task of it is left; False if there is no such connector."""
        if self._json("PUT", f"{_path(name)}/stop", missing=True) is None:
            return False
        found = self._wait(name, timeout, lambda s: s is not None and s.state == "STOPPED" and not s.tasks)
        if found is None or found.state != "STOPPED" or found.tasks:
            self._fail(name, found, timeout)
        return True

    def resume(self, name: str) -> None:
        """Let a stopped connector run again."""
        self._json("PUT", f"{_path(name)}/resume")

    def delete_offsets(self, name: str) -> bool:
        """Forget how far a *stopped* connector has read; False if there is no such connector."""
        return self._json("DELETE", f"{_path(name)}/offsets", missing=True) is not None

    def delete(self, name: str) -> bool:
        """Delete a connector; False if there was none. Its offsets stay: see `delete_offsets`."""
        return self._json("DELETE", _path(name), missing=True) is not None

    def _wait(self, name: str, timeout: float, until: Callable[[Status | None], bool]) -> Status | None:
        deadline = time.monotonic() + timeout
        while not until(found := self.status(name)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _fail(self, name: str, status: Status | None, timeout: float) -> None:
        if status is None:
            raise ConnectorFailed(f"connector {name}: Kafka Connect knows no state of it after {timeout:.0f} s")
        if status.failed:
            reason = masked(status.reason, secrets_of(self.config(name) or {}))
            raise ConnectorFailed(f"connector {name} is FAILED: {reason}")
        tasks = ", ".join(f"task {task.id} {task.state}" for task in status.tasks) or "no task"
        raise ConnectorFailed(f"connector {name} is {status.state} with {tasks} after {timeout:.0f} s")

    def _json(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        config: Config | None = None,
        missing: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """The answer's JSON ({} where it has none); None for a 404 where ``missing`` says that this is an answer."""
        secrets = secrets_of(config or {})
        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0, jitter=0.2),
            stop=stop_after_delay(self.patience),
        )
        try:
            return retrying(self._once, method, path, body, missing, timeout or self.timeout, secrets)
        except RetryError as exc:
            last = exc.last_attempt.exception()
            assert isinstance(last, _Again)
            raise self._given_up(method, path, last) from exc

    def _once(
        self, method: str, path: str, body: object, missing: bool, timeout: float, secrets: frozenset[str]
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            answer = self._session.request(method, self.url + path, data=data, headers=headers, timeout=timeout)
        except requests.RequestException as exc:
            raise ConnectUnreachable(f"Kafka Connect at {self.url} does not answer ({type(exc).__name__})") from exc
        text = masked(_said(answer), secrets)
        if answer.status_code == 404 and "error_code" not in _error(answer):
            raise _Again(404, text)
        if answer.status_code == 404 and missing:
            return None
        if answer.status_code in AGAIN and not (answer.status_code == 409 and "already exists" in text):
            raise _Again(answer.status_code, text)
        if answer.status_code >= 400:
            raise ConnectRefused(f"Kafka Connect refuses {method} {path}: {answer.status_code} {text}")
        if not answer.content:
            return {}
        try:
            return answer.json()
        except ValueError as exc:
            raise ConnectUnreachable(
                f"{self.url} answers {method} {path} with something that is not JSON: is it Kafka Connect?"
            ) from exc

    def _given_up(self, method: str, path: str, last: _Again) -> ConnectError:
        text = f"Kafka Connect at {self.url} still answers {last.status} to {method} {path}: {last.text}"
        return ConnectUnreachable(f"{text} (tried for {self.patience:.0f} s)")


def _path(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"


def _said(answer: requests.Response) -> str:
    """The message of an error's body; what is no JSON (a proxy's page) is named, not quoted."""
    if answer.status_code < 400:
        return ""
    return str(_error(answer).get("message") or f"{answer.reason or 'no reason'} (and no message in JSON)")


def _error(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
