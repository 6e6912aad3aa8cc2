"""Answers every SYN to PREFIX that reaches INTERFACE by a SYN-ACK, and nothing else ever: background noise.

usage: noise.py INTERFACE PREFIX

Prints "ready" when it listens, and ends with its standard input.
"""

import ipaddress
import select
import socket
import struct
import sys

interface, prefix = sys.argv[1], ipaddress.ip_network(sys.argv[2])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.bind((interface, 0))
print("ready", flush=True)


def checksum(data):
    words = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return ~words & 0xFFFF


while True:
    readable, _, _ = select.select([link, sys.stdin], [], [])
    if sys.stdin in readable:
        break
    frame = link.recv(2048)
    if len(frame) < 54 or frame[23] != 6 or frame[47] & 0x12 != 0x02:
        continue
    if ipaddress.ip_address(frame[30:34]) not in prefix:
        continue
    sequence = struct.unpack("!I", frame[38:42])[0]
    segment = frame[36:38] + frame[34:36] + struct.pack("!IIBBHHH", 7, sequence + 1 & 0xFFFFFFFF, 0x50, 0x12, 1000, 0, 0)
    pseudo = frame[30:34] + frame[26:30] + struct.pack("!HH", 6, 20)
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + frame[30:34] + frame[26:30]
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    link.send(frame[6:12] + frame[:6] + b"\x08\x00" + header + segment)
