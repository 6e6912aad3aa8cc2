"""XMPP by hand, its XML read by Python's own parser (xml.etree over expat): streams of clients and of servers."""

import re
import socket
from xml.etree.ElementTree import XMLPullParser

from .tls import INJECTION_S, TIMEOUT_S, Ended, unique

STREAMS = "{http://etherx.jabber.org/streams}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
MECHANISMS = ("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism", "{urn:xmpp:sasl:2}mechanism")

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:{party}' xmlns:stream='http://etherx.jabber.org/streams'"
    "{sender} to='{to}' version='1.0'>"
)
# A server must say who it is (RFC 6120, section 4.7.1), and that it knows dialback (XEP-0220).
SENDER = " xmlns:db='jabber:server:dialback' from='{address}'"


class Stream:
    """A stream from its header on, over one socket: to the name, or to the address where there is none."""

    def __init__(self, sock, facts, party):
        self.sock, self.parser, self.raw = sock, XMLPullParser(["start", "end"]), b""
        self.depth = 0
        sender = SENDER.format(address=sock.getsockname()[0]) if party == "server" else ""
        self.say(HEADER.format(party=party, sender=sender, to=facts.name or facts["ip"]))

    def say(self, text):
        self.sock.sendall(text.encode())

    def child(self):
        """The next complete element right below the root."""
        while True:
            for kind, element in self.parser.read_events():
                self.depth += 1 if kind == "start" else -1
                if kind == "end" and self.depth == 1:
                    return element
                if self.depth == 0:
                    raise EOFError
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.raw += data
            self.parser.feed(data)

    def features(self):
        """What the server says it can do."""
        element = self.child()
        if element.tag == STREAMS + "error":
            conditions = [condition.tag.partition("}")[2] for condition in element]
            raise Ended("host_unknown" if "host-unknown" in conditions else "service_refused")
        if element.tag != STREAMS + "features":
            raise Ended("protocol_error")
        return element

    def close(self):
        """Goodbye, and the server's own."""
        self.say("</stream:stream>")
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.sock.close()

    def slipped_in(self):
        """Bytes after the go-ahead, where nothing may come before our ClientHello."""
        self.sock.settimeout(INJECTION_S)
        try:
            self.raw += self.sock.recv(65536)
        except TimeoutError:
            pass
        self.sock.settimeout(TIMEOUT_S)
        return len(self.raw) - re.search(rb"<proceed[^>]*/>|</proceed\s*>", self.raw).end()


def item(element):
    """A feature in the form of the column `capabilities_before`."""
    words = [element.tag] + [f"{name}={value}" for name, value in element.attrib.items()]
    words += (element.text or "").split()
    for inner in element:
        words.append((inner.text or "").strip() or inner.get("type") or inner.tag.partition("}")[2])
    return " ".join(words)


def listed(features):
    """All features, and the mechanisms among them."""
    mechanisms = [inner.text.strip() for element in features for inner in element if inner.tag in MECHANISMS]
    return [item(element) for element in features], unique(mechanisms)


def ask_inside(facts, sock, party):
    """A stream inside TLS."""
    stream = Stream(sock, facts, party)
    facts["capabilities_after"], facts["auth_after"] = listed(stream.features())
    stream.close()


def talk_stream(facts, secure):
    """RFC 6120; ports whose names begin with `xmpps` begin with TLS (XEP-0368)."""
    party = facts["protocol"].partition("-")[2]
    sock = socket.create_connection((facts["ip"], facts["port"]), TIMEOUT_S)
    if facts["protocol"].startswith("xmpps"):
        ask_inside(facts, secure(sock), party)
        return
    stream = Stream(sock, facts, party)
    features = stream.features()
    facts["capabilities_before"], facts["auth_before"] = listed(features)
    starttls = features.find(TLS + "starttls")
    facts["starttls_offered"] = starttls is not None
    facts["starttls_required"] = starttls is not None and starttls.find(TLS + "required") is not None
    if starttls is None:
        stream.close()
        raise Ended("no_starttls")
    stream.raw = b""
    stream.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    facts["starttls_accepted"] = stream.child().tag == TLS + "proceed"
    if not facts["starttls_accepted"]:
        stream.close()
        raise Ended("starttls_refused")
    facts["starttls_injected"] = stream.slipped_in()
    ask_inside(facts, secure(sock), party)
