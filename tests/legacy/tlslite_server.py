"""TLS echo servers of tlslite-ng: arguments CHAIN KEY, then PORT VERSION KEY_EXCHANGE CIPHER MAC DH_FILE for each (version as
3.0, DH_FILE - for a group of its own); says "ready"."""

import socket
import sys
import threading

from tlslite import dh
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey


def serve(listener, chain, key, settings):
    while True:
        connection, _ = listener.accept()
        tls = TLSConnection(connection)
        try:
            anonymous = "anon" in settings.keyExchangeNames[0]
            tls.handshakeServer(
                certChain=None if anonymous else chain,
                privateKey=None if anonymous else key,
                settings=settings,
                anon=anonymous,
            )
            while line := tls.recv(1024):
                tls.sendall(bytes(line))
            tls.close()
        except Exception as error:  # A client that goes away is no reason to end.
            print(settings.keyExchangeNames, settings.cipherNames, repr(error), file=sys.stderr)
        finally:
            connection.close()


def main():
    chain, key = X509CertChain(), parsePEMKey(open(sys.argv[2]).read(), private=True)
    chain.parsePemList(open(sys.argv[1]).read())
    rest = sys.argv[3:]
    for i in range(0, len(rest), 6):
        port, version, exchange, cipher, mac, group = rest[i : i + 6]
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = tuple(int(part) for part in version.split("."))
        # What it takes from supported_versions has a list of its own, which the other two do not touch.
        settings.versions = [settings.maxVersion]
        settings.minKeySize = 512
        settings.keyExchangeNames, settings.cipherNames, settings.macNames = [exchange], [cipher], [mac]
        settings.useEncryptThenMAC = settings.useExtendedMasterSecret = False
        if group != "-":
            settings.dhParams = dh.parse(open(group).read())
        listener = socket.create_server(("127.0.0.1", int(port)), backlog=16)
        threading.Thread(target=serve, args=(listener, chain, key, settings.validate()), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


main()
