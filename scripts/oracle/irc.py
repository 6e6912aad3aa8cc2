"""IRC by hand: no client in Python's library speaks it."""

import socket

from .tls import TIMEOUT_S, Ended, slipped_in, unique

# What a server says to a command that it does not know, or not yet (RFC 2812, section 5.2).
UNKNOWN = {"421", "451"}


class Client:
    """Lines in and out; a PING is answered."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")
        self.heard = False

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")

    def hear(self):
        """The next message: its words, those after a colon as one, without the sender."""
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError
            self.heard = True
            text, colon, last = line.decode().rstrip("\r\n").removeprefix(":").partition(" :")
            words = text.split() + ([last] if colon else [])
            if not line.startswith(b":"):
                words.insert(0, "")
            if words[1] == "PING":
                self.say("PONG :" + words[-1])
            elif words[1] == "ERROR":
                raise Ended("service_refused")
            elif words[1] != "NOTICE":
                return words[1:]


def capabilities(client):
    """The items of CAP LS, and the mechanisms of `sasl=`; None where CAP is unknown."""
    client.say("CAP LS 302")
    items = []
    while True:
        words = client.hear()
        if words[0] in UNKNOWN:
            return None
        if words[0] == "CAP" and words[2] == "LS":
            items += words[-1].split()
            if words[3] != "*":
                break
    lists = [item.split("=")[1].split(",") for item in items if item.startswith("sasl=")]
    return items, unique(word for words in lists for word in words)


def goodbye(client):
    """QUIT, and the server's last words."""
    client.say("QUIT")
    try:
        while client.hear():
            pass
    except (Ended, EOFError):
        pass


def talk_irc(facts, secure):
    """A server that cannot be asked for capabilities is asked for STARTTLS all the same."""
    sock = socket.create_connection((facts["ip"], facts["port"]), TIMEOUT_S)
    client = Client(sock)
    try:
        listed = capabilities(client)
    except TimeoutError as error:
        raise Ended("timeout_reply" if client.heard else "timeout_greeting") from error
    if listed:
        facts["capabilities_before"], facts["auth_before"] = listed
        facts["starttls_offered"] = "tls" in [item.split("=")[0] for item in listed[0]]
        if not facts["starttls_offered"]:
            goodbye(client)
            raise Ended("no_starttls")
    client.say("STARTTLS")
    numeric = client.hear()[0]
    facts["starttls_accepted"] = numeric == "670"
    if not facts["starttls_accepted"]:
        goodbye(client)
        raise Ended("starttls_refused")
    facts["starttls_injected"] = slipped_in(sock, client.file)
    ask_inside(facts, secure(sock))


def talk_ircs(facts, secure):
    """RFC 7194."""
    ask_inside(facts, secure(socket.create_connection((facts["ip"], facts["port"]), TIMEOUT_S)))


def ask_inside(facts, tls):
    """The second time, inside TLS."""
    client = Client(tls)
    facts["capabilities_after"], facts["auth_after"] = capabilities(client) or ([], [])
    goodbye(client)
    tls.close()
