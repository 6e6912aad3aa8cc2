#!/usr/bin/env python3
"""Servers that do what real ones cannot be made to do: each family of STARTTLS, each kind of trouble.

    scripted.py list               prints the lines of servers.tsv
    scripted.py serve CERT KEY     serves them all until it is ended

A family is a table of what the client may say and what is answered; a kind says what becomes of STARTTLS:

    refuse    offers it and says no
    absent    does not offer it
    garbage   agrees, and answers the ClientHello with text
    inject    agrees, and sends the reply to a command nobody gave in the same segment; then TLS works
    slow      greets after twenty seconds, as some do against senders of spam (SMTP only); offers nothing
    unasked   cannot be asked for capabilities, and still has STARTTLS (POP3 and IRC)
"""

import re
import socket
import ssl
import sys
import threading
import time

IDLE_S = 60
SLOW_S = 20

# A server's state of mind: what a table's answers may depend on.
OFFERS = {"refuse", "garbage", "inject"}


class Smtp:
    """RFC 5321, RFC 3207."""

    protocol, port, greeting = "smtp", 25, b"220 scripted.example ESMTP\r\n"
    agrees, refuses, injected = b"220 2.0.0 go\r\n", b"454 4.7.0 TLS not available\r\n", b"250 2.0.0 slipped in\r\n"
    kinds = ("refuse", "absent", "garbage", "inject", "slow")

    @staticmethod
    def answer(line, offers, _kind):
        verb = line.split(b" ")[0].upper()
        if verb == b"EHLO":
            return b"250-scripted.example\r\n" + (b"250-STARTTLS\r\n" if offers else b"") + b"250 8BITMIME\r\n"
        return {b"STARTTLS": "starttls", b"QUIT": b"221 2.0.0 bye\r\n"}.get(verb, b"500 5.5.1 what?\r\n")


class Imap:
    """RFC 9051."""

    protocol, port, greeting = "imap", 143, b"* OK scripted.example\r\n"
    agrees, refuses, injected = b"%s OK go\r\n", b"%s NO not today\r\n", b"* CAPABILITY IMAP4rev1 SLIPPED-IN\r\n"
    kinds = ("refuse", "absent", "garbage", "inject")

    @staticmethod
    def answer(line, offers, _kind):
        tag, _, verb = line.partition(b" ")
        verb = verb.upper()
        if verb == b"CAPABILITY":
            names = b"IMAP4rev1 STARTTLS LOGINDISABLED" if offers else b"IMAP4rev1 AUTH=PLAIN"
            return b"* CAPABILITY " + names + b"\r\n" + tag + b" OK done\r\n"
        if verb == b"LOGOUT":
            return b"* BYE\r\n" + tag + b" OK done\r\n"
        return "starttls" if verb == b"STARTTLS" else tag + b" BAD what?\r\n"


class Pop3:
    """RFC 1939, RFC 2449, RFC 2595."""

    protocol, port, greeting = "pop3", 110, b"+OK scripted.example <1.2@scripted.example>\r\n"
    agrees, refuses, injected = b"+OK go\r\n", b"-ERR not today\r\n", b"+OK slipped in\r\n"
    kinds = ("refuse", "absent", "garbage", "inject", "unasked")

    @staticmethod
    def answer(line, offers, kind):
        verb = line.upper()
        if verb == b"CAPA" and kind != "unasked":
            return b"+OK\r\nUSER\r\n" + (b"STLS\r\n" if offers else b"") + b"SASL PLAIN CRAM-MD5\r\n.\r\n"
        return {b"STLS": "starttls", b"QUIT": b"+OK bye\r\n"}.get(verb, b"-ERR what?\r\n")


class Irc:
    """IRCv3 capability negotiation and its STARTTLS."""

    protocol, port, greeting = "irc", 6667, b":scripted.example NOTICE AUTH :*** Looking up your hostname\r\n"
    agrees = b":scripted.example 670 * :go\r\n"
    refuses = b":scripted.example 691 * :not today\r\n"
    injected = b":scripted.example NOTICE * :slipped in\r\n"
    kinds = ("refuse", "absent", "garbage", "inject", "unasked")

    @staticmethod
    def answer(line, offers, kind):
        words = line.upper().split(b" ")
        if words[:2] == [b"CAP", b"LS"] and kind != "unasked":
            first = b":scripted.example CAP * LS * :multi-prefix away-notify\r\n"
            return first + b":scripted.example CAP * LS :sasl=PLAIN,EXTERNAL" + (b" tls\r\n" if offers else b"\r\n")
        if words[0] == b"CAP" and kind != "unasked":
            return b""
        known = {b"STARTTLS": "starttls", b"QUIT": b"ERROR :Closing link\r\n", b"PING": b"PONG scripted.example\r\n"}
        return known.get(words[0], b":scripted.example 421 * " + words[0] + b" :Unknown command\r\n")


class Xmpp:
    """RFC 6120. Its commands are elements."""

    protocol, port, greeting = "xmpp-client", 5222, b""
    agrees = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    refuses = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"
    injected = b"<presence from='slipped@in'/>"
    kinds = ("refuse", "absent", "garbage", "inject")
    element = re.compile(rb"<\?xml[^>]*\?>|<stream:stream[^>]*>|<starttls[^>]*>(?:</starttls>)?|</stream:stream>")

    @staticmethod
    def answer(element, offers, _kind):
        if element.startswith(b"<stream:stream"):
            starttls = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" if offers else b""
            return (
                b"<?xml version='1.0'?><stream:stream from='scripted.example' id='1' version='1.0' xml:lang='en'"
                b" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><stream:features>"
                + starttls
                + b"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism>"
                b"<mechanism>PLAIN</mechanism></mechanisms></stream:features>"
            )
        return {b"<star": "starttls", b"</str": b"</stream:stream>"}.get(element[:5], b"")


LINE = re.compile(rb"([^\n]*?)\r?\n")
FAMILIES = (Smtp, Imap, Pop3, Irc, Xmpp)
GOODBYES = (b"221 ", b"* BYE", b"+OK bye", b"ERROR ", b"</stream:stream>")


def servers():
    """(address, family, kind) of every server."""
    for number, family in enumerate(FAMILIES, 1):
        for place, kind in enumerate(family.kinds):
            yield f"198.18.7.{10 * number + place}", family, kind


def commands(sock, family):
    """What the client says, a line or an element each, until it closes."""
    pattern = getattr(family, "element", LINE)
    buffer = b""
    while True:
        found = pattern.search(buffer)
        while not found:
            data = sock.recv(4096)
            if not data:
                return
            buffer += data
            found = pattern.search(buffer)
        buffer = buffer[found.end() :]
        yield found.group(1) if pattern is LINE else found.group(0)


def with_tag(text, command):
    """A reply in IMAP's form carries the command's tag."""
    return text.replace(b"%s", command.split(b" ")[0])


def talk(sock, family, kind, tls=None):
    """One dialogue; the command at which TLS is to begin, if it comes to that."""
    offers = kind in OFFERS and tls is None
    for command in commands(sock, family):
        answer = family.answer(command, offers, kind)
        if answer != "starttls":
            sock.sendall(answer)
            if answer.startswith(GOODBYES):
                return None
        elif tls is not None or kind in ("refuse", "absent"):
            sock.sendall(with_tag(family.refuses, command))
            if family is Xmpp:
                return None
        else:
            slipped = family.injected if kind == "inject" else b""
            sock.sendall(with_tag(family.agrees, command) + slipped)
            return command
    return None


def serve_one(sock, family, kind, context):
    """One connection from greeting to close."""
    sock.settimeout(IDLE_S)
    try:
        if kind == "slow":
            time.sleep(SLOW_S)
        sock.sendall(family.greeting)
        if talk(sock, family, kind) is not None:
            if kind == "garbage":
                sock.recv(4096)
                sock.sendall(b"I have never heard of TLS\r\n")
            else:
                sock = context.wrap_socket(sock, server_side=True)
                talk(sock, family, kind, tls=True)
                sock = sock.unwrap()
    except OSError:
        pass    # the client went away, which is its right
    finally:
        sock.close()


def accept_all(listener, family, kind, context):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_one, args=(sock, family, kind, context), daemon=True).start()


def main():
    if sys.argv[1] == "list":
        for address, family, kind in servers():
            print(address, family.port, family.protocol, f"scripted: {kind}", sep="\t")
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[2:4])
    threads = []
    for address, family, kind in servers():
        listener = socket.create_server((address, family.port), backlog=128)
        threads.append(threading.Thread(target=accept_all, args=(listener, family, kind, context)))
        threads[-1].start()
    for thread in threads:
        thread.join()


main()
