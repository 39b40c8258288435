"""A TCP proxy that can stop forwarding what clients send, and let it through later: a network that stalls."""

from __future__ import annotations

import socket
import threading


class Proxy:
    """Forwards ``port`` on loopback to ``target``; between ``stall`` and ``release`` requests are held, not lost."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self.held = 0  # bytes of clients that were held back
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.set()
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, stallable: bool) -> None:
        try:
            while data := source.recv(65536):
                if stallable and not self._open.is_set():
                    self.held += len(data)
                    self._open.wait()
                sink.sendall(data)
        except OSError:
            pass  # the other half closed it
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
