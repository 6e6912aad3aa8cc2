"""SMTP, IMAP and POP3 as Python's own clients speak them, in the clear and inside TLS, and https."""

import imaplib
import poplib
import re
import smtplib
import socket

from .tls import TIMEOUT_S, Ended, secure, slipped_in, unique


def upgraded(facts, client, protocol):
    """Takes a client whose STARTTLS was agreed to into TLS."""
    facts["starttls_injected"] = slipped_in(client.sock, client.file)
    client.sock = secure(facts, client.sock, "-starttls", protocol)
    client.file = client.sock.makefile("rb")


class Smtp(smtplib.SMTP):
    """With TLS from the first byte, if `facts` are given to it."""

    secured_facts = None

    def _get_socket(self, host, port, timeout):
        sock = super()._get_socket(host, port, timeout)
        return secure(self.secured_facts, sock) if self.secured_facts else sock


def ehlo(client):
    """The EHLO reply's keyword lines, and the mechanisms among them."""
    code, reply = client.ehlo()
    if code != 250:
        raise Ended("protocol_error")
    lines = reply.decode().split("\n")[1:]
    lists = [re.split("[ =]+", line)[1:] for line in lines if re.match("AUTH[ =]", line, re.IGNORECASE)]
    return lines, unique(word for words in lists for word in words)


def talk_smtp(facts):
    """RFC 5321, RFC 3207."""
    with Smtp(timeout=TIMEOUT_S, local_hostname="oracle.example") as client:
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
        upgraded(facts, client, "smtp")
        facts["capabilities_after"], facts["auth_after"] = ehlo(client)


def talk_smtps(facts):
    """RFC 8314."""
    with Smtp(timeout=TIMEOUT_S, local_hostname="oracle.example") as client:
        client.secured_facts = facts
        facts["banner_code"], _ = client.connect(facts["ip"], facts["port"])
        facts["capabilities_after"], facts["auth_after"] = ehlo(client)


class SecuredImap(imaplib.IMAP4):
    """TLS from the first byte, on a session that was looked at."""

    def __init__(self, facts):
        self.facts = facts
        super().__init__(facts["ip"], facts["port"], timeout=TIMEOUT_S)

    def _create_socket(self, timeout):
        return secure(self.facts, super()._create_socket(timeout))


def capability(client):
    """The atoms of the CAPABILITY reply, and the mechanisms among them."""
    _, data = client.capability()
    atoms = data[-1].decode().split()
    return atoms, unique(atom[5:] for atom in atoms if atom.upper().startswith("AUTH="))


def talk_imap(facts):
    """RFC 9051, its STARTTLS by hand so that the connection's session can be looked at."""
    with imaplib.IMAP4(facts["ip"], facts["port"], timeout=TIMEOUT_S) as client:
        facts["capabilities_before"], facts["auth_before"] = capability(client)
        facts["starttls_offered"] = "STARTTLS" in map(str.upper, facts["capabilities_before"])
        if not facts["starttls_offered"]:
            raise Ended("no_starttls")
        facts["starttls_accepted"] = client.xatom("STARTTLS")[0] == "OK"
        if not facts["starttls_accepted"]:
            raise Ended("starttls_refused")
        upgraded(facts, client, "imap")
        facts["capabilities_after"], facts["auth_after"] = capability(client)


def talk_imaps(facts):
    """RFC 8314."""
    with SecuredImap(facts) as client:
        facts["capabilities_after"], facts["auth_after"] = capability(client)


class SecuredPop3(poplib.POP3):
    """TLS from the first byte, on a session that was looked at."""

    def __init__(self, facts):
        self.facts = facts
        super().__init__(facts["ip"], facts["port"], timeout=TIMEOUT_S)

    def _create_socket(self, timeout):
        return secure(self.facts, super()._create_socket(timeout))


def capa(client):
    """The lines of the CAPA reply as they are, and the mechanisms among them; None where CAPA is unknown."""
    try:
        _, lines, _ = client._longcmd("CAPA")  # capa() would sort them into a dictionary
    except poplib.error_proto:
        return None
    lines = [line.decode() for line in lines]
    lists = [line.split()[1:] for line in lines if line.upper().startswith("SASL")]
    return lines, unique(word for words in lists for word in words)


def greeting_has_timestamp(client):
    """RFC 1939, section 7."""
    return re.search(rb"<[^<>]+@[^<>]+>", client.welcome) is not None


def talk_pop3(facts):
    """RFC 1939, RFC 2449, RFC 2595. A server that cannot be asked for capabilities is asked for STLS all the same."""
    client = poplib.POP3(facts["ip"], facts["port"], timeout=TIMEOUT_S)
    facts["apop"] = greeting_has_timestamp(client)
    listed = capa(client)
    if listed:
        facts["capabilities_before"], facts["auth_before"] = listed
        facts["starttls_offered"] = "STLS" in map(str.upper, facts["capabilities_before"])
        if not facts["starttls_offered"]:
            client.quit()
            raise Ended("no_starttls")
    try:
        client._shortcmd("STLS")  # stls() would not let the session be looked at
    except poplib.error_proto as error:
        facts["starttls_accepted"] = False
        client.quit()
        raise Ended("starttls_refused") from error
    facts["starttls_accepted"] = True
    upgraded(facts, client, "pop3")
    facts["capabilities_after"], facts["auth_after"] = capa(client) or ([], [])
    client.quit()


def talk_pop3s(facts):
    """RFC 8314."""
    client = SecuredPop3(facts)
    facts["apop"] = greeting_has_timestamp(client)
    facts["capabilities_after"], facts["auth_after"] = capa(client)
    client.quit()


def talk_https(facts):
    """Nothing is said inside."""
    with socket.create_connection((facts["ip"], facts["port"]), TIMEOUT_S) as sock:
        secure(facts, sock).close()
