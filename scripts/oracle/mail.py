"""SMTP, IMAP and POP3 as Python's own clients speak them, in the clear and inside TLS, and https.

STARTTLS is said by hand, as the clients' own methods would not let the session be looked at. `secure` takes a socket
into TLS.
"""

import imaplib
import poplib
import re
import smtplib
import socket
from contextlib import contextmanager, suppress

from .tls import TIMEOUT_S, Ended, slipped_in, unique


@contextmanager
def parting(goodbye):
    """Says goodbye at the end, whatever came before."""
    try:
        yield
    finally:
        with suppress(Exception):
            goodbye()


def upgraded(facts, client, secure):
    """Takes a client whose STARTTLS was agreed to into TLS."""
    facts["starttls_injected"] = slipped_in(client.sock, client.file)
    client.sock = secure(client.sock)
    client.file = client.sock.makefile("rb")


class Smtp(smtplib.SMTP):
    """`prepare` gets the socket before the first byte."""

    def __init__(self, prepare=lambda sock: sock):
        self.prepare = prepare
        super().__init__(timeout=TIMEOUT_S, local_hostname="oracle.example")

    def _get_socket(self, host, port, timeout):
        return self.prepare(super()._get_socket(host, port, timeout))


def ehlo(client):
    """The EHLO reply's keyword lines, and the mechanisms among them."""
    code, reply = client.ehlo()
    if code != 250:
        raise Ended("protocol_error")
    lines = reply.decode().split("\n")[1:]
    lists = [re.split("[ =]+", line)[1:] for line in lines if re.match("AUTH[ =]", line, re.IGNORECASE)]
    return lines, unique(word for words in lists for word in words)


def talk_smtp(facts, secure):
    """RFC 5321, RFC 3207."""
    client = Smtp()
    with parting(client.quit):
        facts["banner_code"], _ = client.connect(facts["ip"], facts["port"])
        if facts["banner_code"] != 220:
            raise Ended("service_refused")
        facts["capabilities_before"], facts["auth_before"] = ehlo(client)
        facts["starttls_offered"] = client.has_extn("STARTTLS")
        if not facts["starttls_offered"]:
            raise Ended("no_starttls")
        facts["starttls_accepted"] = client.docmd("STARTTLS")[0] == 220
        if not facts["starttls_accepted"]:
            raise Ended("starttls_refused")
        upgraded(facts, client, secure)
        facts["capabilities_after"], facts["auth_after"] = ehlo(client)


def talk_smtps(facts, secure):
    """RFC 8314."""
    client = Smtp(secure)
    with parting(client.quit):
        facts["banner_code"], _ = client.connect(facts["ip"], facts["port"])
        facts["capabilities_after"], facts["auth_after"] = ehlo(client)


class Imap(imaplib.IMAP4):
    """`prepare` gets the socket before the first byte."""

    def __init__(self, facts, prepare=lambda sock: sock):
        self.prepare = prepare
        super().__init__(facts["ip"], facts["port"], timeout=TIMEOUT_S)

    def _create_socket(self, timeout):
        return self.prepare(super()._create_socket(timeout))


def capability(client):
    """The atoms of the CAPABILITY reply, and the mechanisms among them."""
    _, data = client.capability()
    atoms = data[-1].decode().split()
    return atoms, unique(atom[5:] for atom in atoms if atom.upper().startswith("AUTH="))


def talk_imap(facts, secure):
    """RFC 9051."""
    client = Imap(facts)
    with parting(client.logout):
        facts["capabilities_before"], facts["auth_before"] = capability(client)
        facts["starttls_offered"] = "STARTTLS" in map(str.upper, facts["capabilities_before"])
        if not facts["starttls_offered"]:
            raise Ended("no_starttls")
        facts["starttls_accepted"] = client.xatom("STARTTLS")[0] == "OK"
        if not facts["starttls_accepted"]:
            raise Ended("starttls_refused")
        upgraded(facts, client, secure)
        facts["capabilities_after"], facts["auth_after"] = capability(client)


def talk_imaps(facts, secure):
    """RFC 8314."""
    client = Imap(facts, secure)
    with parting(client.logout):
        facts["capabilities_after"], facts["auth_after"] = capability(client)


class Pop3(poplib.POP3):
    """`prepare` gets the socket before the first byte."""

    def __init__(self, facts, prepare=lambda sock: sock):
        self.prepare = prepare
        super().__init__(facts["ip"], facts["port"], timeout=TIMEOUT_S)
        # RFC 1939, section 7.
        facts["apop"] = re.search(rb"<[^<>]+@[^<>]+>", self.welcome) is not None

    def _create_socket(self, timeout):
        return self.prepare(super()._create_socket(timeout))


def capa(client):
    """The lines of the CAPA reply as they are, and the mechanisms among them; None where CAPA is unknown."""
    try:
        _, lines, _ = client._longcmd("CAPA")  # capa() would make a dictionary of them
    except poplib.error_proto:
        return None
    lines = [line.decode() for line in lines]
    lists = [line.split()[1:] for line in lines if line.upper().startswith("SASL ")]
    return lines, unique(word for words in lists for word in words)


def talk_pop3(facts, secure):
    """RFC 1939, RFC 2449, RFC 2595. A server that cannot be asked for capabilities is asked for STLS all the same."""
    client = Pop3(facts)
    with parting(client.quit):
        listed = capa(client)
        if listed:
            facts["capabilities_before"], facts["auth_before"] = listed
            facts["starttls_offered"] = "STLS" in map(str.upper, facts["capabilities_before"])
            if not facts["starttls_offered"]:
                raise Ended("no_starttls")
        try:
            client._shortcmd("STLS")
        except poplib.error_proto as error:
            facts["starttls_accepted"] = False
            raise Ended("starttls_refused") from error
        facts["starttls_accepted"] = True
        upgraded(facts, client, secure)
        facts["capabilities_after"], facts["auth_after"] = capa(client) or ([], [])


def talk_pop3s(facts, secure):
    """RFC 8314."""
    client = Pop3(facts, secure)
    with parting(client.quit):
        facts["capabilities_after"], facts["auth_after"] = capa(client)


def talk_https(facts, secure):
    """Nothing is said inside."""
    secure(socket.create_connection((facts["ip"], facts["port"]), TIMEOUT_S)).close()
