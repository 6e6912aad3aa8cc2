"""SMTP servers on every address of 198.18.0.0/15 at once, most of which are up to no good.

usage: tarpit.py KIND[,KIND...] GREETING_DELAY PORT...

The address decides the kind: its number modulo the count of kinds. `honest` greets after GREETING_DELAY
seconds, answers EHLO without STARTTLS and closes after QUIT; `drip` sends a byte a second for ever; `silent`
accepts and says nothing. Prints "ready" when it listens, and when its standard input ends, the largest number
of honest connections that any one address had at a time. Several can share the ports (SO_REUSEPORT).
"""

import heapq
import resource
import select
import socket
import sys
import time

BASE = 198 << 24 | 18 << 16
REPLIES = {b"EHLO": b"250-mx.example\r\n250 SIZE 1000\r\n", b"QUIT": b"221 bye\r\n"}


class Server:
    def __init__(self, kinds, delay, ports):
        self.kinds, self.delay = kinds, delay
        self.epoll = select.epoll()
        self.listening, self.connections = {}, {}
        self.timers = []  # (when, file descriptor, connection, text)
        self.open_at, self.most = {}, 0
        for port in ports:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("0.0.0.0", port))
            listener.listen(65535)
            listener.setblocking(False)
            self.listening[listener.fileno()] = listener
            self.epoll.register(listener, select.EPOLLIN)

    def accept(self, listener):
        for _ in range(64):
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            address = int.from_bytes(socket.inet_aton(connection.getsockname()[0]), "big")
            kind = self.kinds[(address - BASE) % len(self.kinds)]
            descriptor = connection.fileno()
            self.connections[descriptor] = (connection, kind, address)
            self.epoll.register(descriptor, select.EPOLLIN)
            if kind == "honest":
                self.open_at[address] = self.open_at.get(address, 0) + 1
                self.most = max(self.most, self.open_at[address])
                if self.delay == 0:
                    self.send(descriptor, b"220 mx.example ESMTP\r\n")
                else:
                    self.later(self.delay, connection, b"220 mx.example ESMTP\r\n")
            elif kind == "drip":
                self.later(1, connection, b"2")

    def later(self, delay, connection, text):
        heapq.heappush(self.timers, (time.monotonic() + delay, connection.fileno(), id(connection), text))

    def send(self, descriptor, text):
        try:
            self.connections[descriptor][0].send(text)
        except OSError:
            self.close(descriptor)

    def close(self, descriptor):
        connection, kind, address = self.connections.pop(descriptor)
        if kind == "honest":
            self.open_at[address] -= 1
        self.epoll.unregister(descriptor)
        connection.close()

    def receive(self, descriptor):
        connection, kind, _ = self.connections[descriptor]
        try:
            data = connection.recv(4096)
        except OSError:
            data = b""
        if not data:
            return self.close(descriptor)
        if kind == "honest":
            self.send(descriptor, REPLIES.get(data[:4], b"500 what?\r\n"))
            if data.startswith(b"QUIT") and descriptor in self.connections:
                self.close(descriptor)

    def tick(self):
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, descriptor, identity, text = heapq.heappop(self.timers)
            known = self.connections.get(descriptor)
            if known is None or id(known[0]) != identity:
                continue
            self.send(descriptor, text)
            if known[1] == "drip" and descriptor in self.connections:
                self.later(1, known[0], text)

    def run(self):
        self.epoll.register(sys.stdin, select.EPOLLIN)
        while True:
            wait = max(0, self.timers[0][0] - time.monotonic()) if self.timers else 1
            for descriptor, _ in self.epoll.poll(min(wait, 1), 1024):
                if descriptor == sys.stdin.fileno():
                    return
                if descriptor in self.listening:
                    self.accept(self.listening[descriptor])
                elif descriptor in self.connections:
                    self.receive(descriptor)
            self.tick()


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server(sys.argv[1].split(","), float(sys.argv[2]), [int(port) for port in sys.argv[3:]])
    print("ready", flush=True)
    server.run()
    print(server.most, flush=True)


main()
