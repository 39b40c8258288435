"""The command line of the native stack: what can be asked, and how errors are told."""

import argparse
import json
import shutil
import signal
import sys
import time
from dataclasses import asdict
from types import FrameType

from nativestack import lifecycle, report, watchdog
from nativestack.cache import build, open_cache, say
from nativestack.errors import StackError
from nativestack.layout import Layout, choose_ports, existing, load, locked, stacks_root
from nativestack.lifecycle import KINDS, Starting, running

USUAL = ["kafka", "connect", "weaviate", "postgres"]
EPILOG = """\
examples:
  stack up                             everything on the usual ports, or on free ones when those are taken
  eval "$(stack env)"                  the addresses, for headrace and for psql "$POSTGRES_URL"
  stack up --name two --port-base auto a second stack beside it
  stack up --mariadb --connect-workers 2
  stack kill kafka; stack start kafka  what happens when the broker crashes?
  stack down --wipe                    stop, and forget the data

what is built is kept in $HEADRACE_CACHE (~/.cache/headrace), stacks live in $HEADRACE_STACKS
(~/.local/state/headrace/stacks). It is for development: one node of each, no encryption, known passwords.
Everything listens on 127.0.0.1, except Weaviate's gRPC and cluster data ports, which Weaviate cannot bind.
"""


def main() -> int:
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        options.run(options)
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stack: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `stack logs | head`
        sys.stderr.close()
    return 0


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="stack",
        description="Kafka, Kafka Connect with Debezium, Weaviate, PostgreSQL, MariaDB and MySQL as plain processes:"
        " what docker/compose.yaml starts, without Docker.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="default", help="which stack (default: %(default)s)")
    add_up(verbs, common)
    down = verbs.add_parser("down", parents=[common], help="stop everything; --wipe forgets the data too")
    down.add_argument("--wipe", action="store_true", help="delete data, logs and remembered ports")
    down.set_defaults(run=run_down)
    status = verbs.add_parser("status", parents=[common], help="per component: state, pid, port, memory")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=run_status)
    env = verbs.add_parser("env", parents=[common], help="print export lines with the addresses")
    env.add_argument("--json", action="store_true")
    env.set_defaults(run=run_env)
    logs = verbs.add_parser("logs", parents=[common], help="print the logs, of one component or of all")
    logs.add_argument("service", nargs="?", choices=list(KINDS), metavar="SERVICE")
    logs.add_argument("-n", type=int, default=50, metavar="N", help="last N lines (default: %(default)s)")
    logs.add_argument("-f", action="store_true", help="go on as they grow")
    logs.set_defaults(run=lambda o: report.show_logs(existing(o.name), o.service, o.n, o.f))
    add_services(verbs, common)
    verbs.add_parser("build", help="fetch and build what is missing in the cache").set_defaults(run=run_build)
    watch = verbs.add_parser("watch", parents=[common])  # started by --die-with; not for people
    watch.add_argument("--pid", type=int, required=True)
    watch.set_defaults(run=run_watch)
    return top


def add_up(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    up = verbs.add_parser("up", parents=[common], help="build what is missing, start everything, wait until ready")
    up.add_argument("--port-base", metavar="P", help="use ports P, P+1, …; 'auto' finds a free block")
    up.add_argument("--only", metavar="A,B", help=f"only these of {','.join(KINDS)}")
    up.add_argument("--mariadb", action="store_true", help="MariaDB too")
    up.add_argument("--mysql", action="store_true", help="MySQL too, fetched from Debian unstable where there is none")
    up.add_argument("--connect-workers", type=int, choices=(1, 2), default=1, help="2: a second worker, 'connect2'")
    up.add_argument("--fresh", action="store_true", help="forget the data of this stack first")
    up.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COMPONENT.KEY=VALUE",
        dest="settings",
        help="override a setting, remembered: kafka.log.retention.ms=1000, weaviate.LOG_LEVEL=debug",
    )
    up.add_argument("--die-with", type=int, metavar="PID", help="stop the stack when this process disappears")
    up.add_argument("--temporary", action="store_true", help="a stop by --die-with forgets the data too")
    up.set_defaults(run=run_up)


def add_services(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    helps = {
        "start": "start one component and wait until it is ready",
        "stop": "stop one component in its own way",
        "kill": "kill -9 one component and its children",
        "pause": "freeze one component (SIGSTOP)",
        "resume": "let a frozen component go on (SIGCONT)",
    }
    for verb, text in helps.items():
        each = verbs.add_parser(verb, parents=[common], help=text)
        each.add_argument("service", choices=list(KINDS), metavar="SERVICE", help=", ".join(KINDS))
        each.set_defaults(run=run_service, verb=verb)


def run_build(_options: argparse.Namespace) -> None:
    cache = open_cache()
    build(cache, {"jars", "weaviate"})
    say(f"everything is built; it is in {cache.root}")


def run_up(options: argparse.Namespace) -> None:
    began = time.monotonic()
    names = chosen(options)
    cache = open_cache()
    build(cache, {artefact for name in names for artefact in KINDS[name].artefacts})
    with locked(stacks_root() / options.name):
        layout = prepare(options, names)
        if options.die_with:
            watchdog.start(layout, options.die_with)
        wanted = names if options.only else layout.components
        asleep = [name for name in wanted if running(name, layout) is None]
        if not asleep:
            say(f"stack '{layout.name}' is already up: stack status --name {layout.name}")
            return
        try:
            for name in asleep:
                lifecycle.component(name, layout, cache).require()
            Starting(layout, cache, asleep).run()
        finally:
            if not any(running(name, layout) for name in KINDS):
                watchdog.stop(layout)
    flag = "" if layout.name == "default" else f" --name {layout.name}"
    say(f'up in {time.monotonic() - began:.1f} s; now: eval "$(stack env{flag})"')


def chosen(options: argparse.Namespace) -> list[str]:
    """The components this call names; those they need come along."""
    if options.only:
        names = [name.strip() for name in options.only.split(",")]
        if unknown := [name for name in names if name not in KINDS]:
            raise StackError(f"--only: there is no component '{unknown[0]}'", cure=f"one of {', '.join(KINDS)}")
    else:
        names = list(USUAL)
    names += ["mariadb"] if options.mariadb else []
    names += ["mysql"] if options.mysql else []
    names += ["connect2"] if options.connect_workers == 2 else []
    wanted = {*names, *(needed for name in names for needed in KINDS[name].needs)}
    return [name for name in KINDS if name in wanted]


def prepare(options: argparse.Namespace, names: list[str]) -> Layout:
    """The stack as remembered, with what this call adds; or a new one."""
    layout = load(options.name)
    if layout is not None and options.fresh:
        take_down(layout, wipe_data=True)
    if layout is None:
        with locked(stacks_root()):  # two new stacks must not choose the same ports
            directory = stacks_root() / options.name
            layout = Layout(options.name, directory, ports=choose_ports(options.port_base, directory))
            layout.save()
        if options.port_base is None and layout.ports["kafka"] != 9092:
            say(f"the usual ports are taken; this stack uses {layout.ports['kafka']} and following")
    elif options.port_base is not None:
        move(layout, options.port_base)
    layout.components = [name for name in KINDS if name in {*layout.components, *names}]
    for setting in options.settings:
        component, key, value = parse_setting(setting)
        layout.settings.setdefault(component, {})[key] = value
    layout.temporary = layout.temporary or options.temporary
    layout.save()
    return layout


def move(layout: Layout, base: str) -> None:
    """Other ports for a stack that has some: possible while nothing of it runs."""
    if base != "auto" and int(base) == layout.ports["kafka"]:
        return
    if any(running(name, layout) for name in KINDS):
        cure = f"stack down --name {layout.name}, then up again"
        raise StackError(f"stack '{layout.name}' is up and cannot change its ports", cure=cure)
    layout.ports = choose_ports(base, layout.directory)


def parse_setting(text: str) -> tuple[str, str, str]:
    name, _, value = text.partition("=")
    component, _, key = name.partition(".")
    if component not in KINDS or not key:
        raise StackError(f"--set {text}: not understood", cure="COMPONENT.KEY=VALUE, as in kafka.log.retention.ms=1000")
    return component, key, value


def take_down(layout: Layout, wipe_data: bool) -> None:
    watchdog.stop(layout)
    for name in lifecycle.stop_all(layout, KINDS, quick=wipe_data):
        say(f"{name} did not stop when asked and was killed; log: {layout.log(name)}")
    if wipe_data:
        shutil.rmtree(layout.directory / "data", ignore_errors=True)
        shutil.rmtree(layout.outside, ignore_errors=True)
        layout.save()


def run_down(options: argparse.Namespace) -> None:
    layout = existing(options.name)
    with locked(layout.directory):
        take_down(layout, wipe_data=options.wipe)
        if options.wipe:
            layout.wipe()
    say(f"stack '{layout.name}' is down" + (" and forgotten" if options.wipe else ""))


def run_status(options: argparse.Namespace) -> None:
    layout = existing(options.name)
    rows = report.status(layout, open_cache())
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else report.status_table(layout, rows))


def run_env(options: argparse.Namespace) -> None:
    print(report.environment_text(existing(options.name), options.json))


def run_service(options: argparse.Namespace) -> None:
    layout = existing(options.name)
    with locked(layout.directory):
        if options.verb == "start":
            start_service(layout, options.service)
        elif options.verb == "stop":
            lifecycle.stop_one(layout, options.service)
        else:
            lifecycle.signal_one(layout, options.service, options.verb)


def start_service(layout: Layout, service: str) -> None:
    if running(service, layout):
        say(f"{service} already runs")
        return
    cache = open_cache()
    build(cache, set(KINDS[service].artefacts))
    if service not in layout.components:
        layout.components.append(service)
        layout.save()
    lifecycle.component(service, layout, cache).require()
    Starting(layout, cache, [service]).run()


def run_watch(options: argparse.Namespace) -> None:
    watchdog.await_end(options.pid)
    layout = load(options.name)
    if layout is not None:
        say(f"process {options.pid} is gone: taking the stack down")
        options.wipe = layout.temporary
        run_down(options)
