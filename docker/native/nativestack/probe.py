"""Questions asked from outside: is a port free, who holds it, does a server answer."""

import os
import socket
import struct
import urllib.error
import urllib.request
from pathlib import Path

LOOPBACK = "127.0.0.1"


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def port_holder(port: int) -> str:
    """'nginx (pid 77)' for the process that listens on the port; 'another process' when we may not see it."""
    inodes = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(each) in inodes for each in folder.iterdir()):
                command = (folder.parent / "comm").read_text().strip()
                return f"{command} (pid {folder.parent.name})"
        except OSError:
            continue  # the process ended meanwhile, or is not ours to look into
    return "another process"


def listening_inodes(port: int) -> set[str]:
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def tcp_answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def http_answers(url: str) -> bool:
    """Is the answer to a GET a success? Proxies of the environment are ignored: it is loopback."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return int(response.status) < 300
    except (OSError, urllib.error.URLError, ValueError):
        return False


def mysql_greets(port: int) -> bool:
    """A MySQL or MariaDB server speaks first: protocol version 10 in the fifth byte."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(5)[4:5] == b"\x0a"
    except OSError:
        return False


def kafka_has_a_broker(port: int) -> bool:
    """Ask for metadata: a broker that is still fenced is not listed, although its port already answers."""
    client = b"headrace-stack"
    # api 3 (metadata), version 5, correlation 1, client id; no topics, no automatic creation
    body = struct.pack(">hhih", 3, 5, 1, len(client)) + client + struct.pack(">i?", 0, False)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.recv(16)  # length, correlation, throttle time, number of brokers
    except OSError:
        return False
    return len(answer) == 16 and struct.unpack(">i", answer[12:])[0] >= 1
