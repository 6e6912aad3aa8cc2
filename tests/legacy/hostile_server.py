"""TLS servers of tlslite-ng that go too far, behind SMTP with STARTTLS: arguments CHAIN LONG_CHAIN HUGE_CHAIN KEY, then ADDRESS
HABIT EXCHANGE for each (rsa or ecdhe of TLS 1.2, or 1.3); says "ready"."""

import socket
import sys
import threading

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import KeyUpdateMessageType
from tlslite.errors import TLSRemoteAlert
from tlslite.messages import HelloRequest

HELLO_REQUEST = bytes([22, 3, 3, 0, 4, 0, 0, 0, 0])


def send_all(parts):
    for _ in parts:
        pass


def lines(receive):
    text = b""
    while more := receive():
        text += more
        while b"\n" in text:
            line, text = text.split(b"\n", 1)
            yield line.strip().upper()


def after(tls, habit):
    """What it does as soon as the handshake is complete."""
    if habit in ("renegotiates", "renegotiates-ever"):
        for _ in range(1 if habit == "renegotiates" else 20_000):
            send_all(tls._sendMsg(HelloRequest().create()))
    if habit in ("updates", "updates-ever"):
        for _ in range(3 if habit == "updates" else 20_000):
            send_all(tls.send_keyupdate_request(KeyUpdateMessageType.update_not_requested))


def talk(connection, habit, chain, key, settings):
    connection.sendall(b"220 hostile ESMTP\r\n")
    for line in lines(lambda: connection.recv(1)):
        if line == b"STARTTLS":
            break
        connection.sendall(b"250-hostile\r\n250 STARTTLS\r\n")
    connection.sendall(b"220 go\r\n")
    # What comes before the ClientHello was sent is no TLS.
    connection.recv(1, socket.MSG_PEEK)
    if habit == "asks":
        connection.sendall(HELLO_REQUEST * 3)
    if habit == "asks-ever":
        while True:
            connection.sendall(HELLO_REQUEST * 1_000)
    tls = TLSConnection(connection)
    if habit == "splits":
        tls.recordSize = 1
    tls.handshakeServer(certChain=chain, privateKey=key, settings=settings)
    after(tls, habit)

    def receive():
        while True:
            try:
                return bytes(tls.recv(1_024))
            except TLSRemoteAlert as alert:
                # It does not renegotiate.
                if alert.description != 100:
                    raise

    for line in lines(receive):
        quits = line == b"QUIT"
        tls.sendall(b"221 bye\r\n" if quits else b"250-inside\r\n250 PIPELINING\r\n")
        if quits:
            tls.close()
            return


def serve(listener, *how):
    while True:
        connection, _ = listener.accept()
        try:
            talk(connection, *how)
        except Exception as error:  # A client that goes away is no reason to end.
            print(how[0], repr(error), file=sys.stderr, flush=True)
        finally:
            connection.close()


def main():
    key = parsePEMKey(open(sys.argv[4]).read(), private=True)
    chains = {}
    for name, file in zip(("short", "long", "huge"), sys.argv[1:4]):
        chains[name] = X509CertChain()
        chains[name].parsePemList(open(file).read())
    rest = sys.argv[5:]
    for i in range(0, len(rest), 3):
        address, habit, exchange = rest[i : i + 3]
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = (3, 4 if exchange == "1.3" else 3)
        settings.useEncryptThenMAC = settings.useExtendedMasterSecret = False
        if exchange == "rsa":
            settings.keyExchangeNames, settings.cipherNames, settings.macNames = ["rsa"], ["aes128"], ["sha"]
        else:
            settings.keyExchangeNames, settings.cipherNames, settings.macNames = ["ecdhe_rsa"], ["aes128gcm"], ["aead"]
        if habit == "tickets":
            settings.ticketKeys, settings.ticket_count = [bytearray(32)], 500
        chain = chains.get(habit, chains["short"])
        listener = socket.create_server((address, 25), backlog=16)
        how = (listener, habit, chain, key, settings.validate())
        threading.Thread(target=serve, args=how, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


main()
