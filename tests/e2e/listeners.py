"""TCP listeners on every STEP-th address from FIRST on, COUNT of them, that accept nothing.

usage: listeners.py FIRST COUNT STEP PORT

Prints "ready" when it listens, and ends with its standard input.
"""

import ipaddress
import resource
import socket
import sys

first, count, step, port = ipaddress.ip_address(sys.argv[1]), *map(int, sys.argv[2:])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 64, count + 64))
listening = []
for number in range(count):
    listener = socket.socket()
    listener.bind((str(first + number * step), port))
    listener.listen(16)
    listening.append(listener)
print("ready", flush=True)
sys.stdin.read()
