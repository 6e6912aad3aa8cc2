"""TLS as two independent clients see it: Python's ssl on the connection at hand, and `openssl s_client` on one of its
own. Where both see the same thing (version, leaf) they must agree."""

import hashlib
import re
import ssl
import subprocess

TIMEOUT_S = 10
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


def context():
    """Accepts any certificate. Python cannot order TLS 1.3 suites: those facts come from s_client."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers(SUITES_12)
    return tls


def openssl(*arguments):
    """Runs openssl without input; its result."""
    return subprocess.run(
        ["openssl", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def iana_names():
    """OpenSSL's names of cipher suites -> IANA's."""
    lines = openssl("ciphers", "-stdname", "ALL:@SECLEVEL=0").stdout.splitlines()
    return {words[2]: words[0] for words in map(str.split, lines)}


def session(ip, port, starttls):
    """Version, suite and chain of a fresh TLS session as s_client sees them; None if there is none. `starttls` are
    the options of s_client that make it say the right words first.
    """
    result = openssl(
        "s_client", "-connect", f"{ip}:{port}", *starttls, "-showcerts", "-noservername",
        "-no-CAfile", "-no-CApath", "-no-CAstore", "-min_protocol", "TLSv1.2",
        "-ciphersuites", SUITES_13, "-cipher", SUITES_12, "-groups", GROUPS,
    )  # fmt: skip
    chosen = re.search(r"^New, (TLSv\S+), Cipher is (\S+)$", result.stdout, re.MULTILINE)
    if not chosen:
        return None
    # "New, TLSv1.2" names the version the suite came with; the session's own is what was agreed on.
    version = re.search(r"^ *Protocol *: (TLSv\S+)$", result.stdout, re.MULTILINE)
    chain = [hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() for pem in PEM.findall(result.stdout)]
    return {
        "tls_version": version[1] if version else chosen[1],
        "tls_cipher": iana_names()[chosen[2]],
        "leaf_sha256": chain[0] if chain else None,
        "chain_sha256": chain,
    }


def check_agreement(facts, sock):
    """Python's session and s_client's must show the same version and leaf."""
    leaf = hashlib.sha256(sock.getpeercert(binary_form=True)).hexdigest()
    for key, value in (("tls_version", sock.version()), ("leaf_sha256", leaf)):
        if facts[key] != value:
            raise Disagreement(f"{facts['ip']}:{facts['port']} {key}: s_client {facts[key]}, Python {value}")


def secure(facts, sock, *starttls):
    """Adds the facts of the session, and takes the connection at hand into TLS too."""
    seen = session(facts["ip"], facts["port"], starttls)
    try:
        tls = context().wrap_socket(sock)
    except (ssl.SSLError, ConnectionError) as error:
        if seen:
            raise Disagreement(f"{facts['ip']}:{facts['port']}: s_client has a session, Python {error}") from error
        # What OpenSSL says of a record header that is none.
        alien = isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER"
        raise Ended("not_tls" if alien else "tls_failed") from error
    if not seen:
        raise Disagreement(f"{facts['ip']}:{facts['port']}: Python has a session, s_client none")
    facts.update(seen)
    check_agreement(facts, tls)
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
