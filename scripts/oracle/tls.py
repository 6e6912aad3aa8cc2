"""TLS as two independent clients see it: `openssl s_client` in a first conversation, Python's ssl in a second one. Where
both see the same thing (version, leaf) they must agree.

s_client gets a connection on which STARTTLS has been agreed to already (its own -starttls takes one read for the
go-ahead, and gives up at an IRC server that says more than it must).
"""

import hashlib
import re
import socket
import ssl
import subprocess
import threading

# Longer than the slowest greeting of a lab.
TIMEOUT_S = 25
INJECTION_S = 0.3

# The scanner's offer, in its order, so that a server that honours it picks the same.
SUITES_13 = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
SUITES_12 = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES256-GCM-SHA384")
    for key in ("ECDSA", "RSA")
)
GROUPS = "X25519:P-256:P-384"

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


class Disagreement(Exception):
    """Two independent clients saw different things."""


class Ended(Exception):
    """The conversation is over; the outcome is the argument."""


class Again(Exception):
    """s_client has looked at the session, which used the connection up: talk to the server once more."""


def context():
    """Accepts any certificate. Python cannot order TLS 1.3 suites: those facts come from s_client."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers(SUITES_12)
    return tls


def iana_names():
    """OpenSSL's names of cipher suites -> IANA's."""
    command = ["openssl", "ciphers", "-stdname", "ALL:@SECLEVEL=0"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {words[2]: words[0] for words in map(str.split, lines)}


def pump(source, sink):
    """Copies bytes until there are no more."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def s_client(sock, name):
    """What s_client prints of a handshake over a socket, and whether it came to an end."""
    sni = ["-servername", name] if name else ["-noservername"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [
                "openssl", "s_client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}", "-showcerts",
                *sni, "-no-CAfile", "-no-CApath", "-no-CAstore", "-min_protocol", "TLSv1.2",
                "-ciphersuites", SUITES_13, "-cipher", SUITES_12, "-groups", GROUPS,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        listener.settimeout(TIMEOUT_S)
        near, _ = listener.accept()
    with near, sock:
        threading.Thread(target=pump, args=(sock, near), daemon=True).start()
        threading.Thread(target=pump, args=(near, sock), daemon=True).start()
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise Ended("timeout_tls") from error
    return output, process.returncode == 0


def session(sock, name):
    """Version, suite and chain as s_client sees them; None if there is no session."""
    output, complete = s_client(sock, name)
    chosen = re.search(r"^New, (TLSv\S+), Cipher is (\S+)$", output, re.MULTILINE)
    if not complete or not chosen:
        return None
    # "New, TLSv1.2" names the version the suite came with; the session's own is what was agreed on.
    version = re.search(r"^ *Protocol *: (TLSv\S+)$", output, re.MULTILINE)
    chain = [hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() for pem in PEM.findall(output)]
    return {
        "tls_version": version[1] if version else chosen[1],
        "tls_cipher": iana_names()[chosen[2]],
        "leaf_sha256": chain[0] if chain else None,
        "chain_sha256": chain,
    }


def shown(tls):
    """What Python can tell of a session."""
    leaf = hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()
    return {"tls_version": tls.version(), "leaf_sha256": leaf}


def secure(facts, sessions, sock):
    """Takes the connection at hand into TLS, and adds the facts of the session. `sessions` holds what s_client saw: the
    first time it is empty.
    """
    place = f"{facts['ip']}:{facts['port']}"
    if not sessions:
        sessions.append(session(sock, facts.name))
        raise Again
    seen = sessions[0]
    try:
        tls = context().wrap_socket(sock, server_hostname=facts.name)
    except (ssl.SSLError, ConnectionError) as error:
        if seen:
            raise Disagreement(f"{place}: s_client has a session, Python {error}") from error
        # What OpenSSL says of a record header that is none.
        alien = isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER"
        raise Ended("not_tls" if alien else "tls_failed") from error
    if not seen:
        raise Disagreement(f"{place}: Python has a session, s_client none")
    for key, value in shown(tls).items():
        if seen[key] != value:
            raise Disagreement(f"{place} {key}: s_client {seen[key]}, Python {value}")
    facts.update(seen)
    return tls


def slipped_in(sock, file):
    """Bytes that came after the go-ahead, where nothing may come before our ClientHello."""
    sock.settimeout(INJECTION_S)
    try:
        return len(file.peek())
    except TimeoutError:
        return 0
    finally:
        sock.settimeout(TIMEOUT_S)


def unique(words):
    """The words in upper case, each once, in order of first appearance."""
    return list(dict.fromkeys(word.upper() for word in words))
