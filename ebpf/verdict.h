/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What becomes of a received frame, as a pure function of its bytes and the configuration: no maps,
 * no helpers, no state. The XDP program and the host (tests, simulator) compile these same lines.
 *
 * Everything that is not surely an answer to one of our segments passes on to the host. What claims
 * to be one is held against the cookie: our SYN's sequence number is a keyed hash of the 4-tuple, so
 * an answer proves itself by its acknowledgement (or by the sequence number it quotes) and nothing
 * has to be remembered.
 */
#ifndef STARLING_VERDICT_H
#define STARLING_VERDICT_H

#include "parse.h"
#include "shared.h"

enum {
	STARLING_ETHERTYPE_IPV4 = 0x0800,
	STARLING_ETHERTYPE_VLAN = 0x8100, /* IEEE 802.1Q */
	STARLING_ETHERTYPE_QINQ = 0x88a8, /* IEEE 802.1ad */
	STARLING_IP_MIN = 20,
	STARLING_IP_FRAGMENT_OFFSET = 0x1fff,
	STARLING_IP_MORE_FRAGMENTS = 0x2000,
	STARLING_PROTOCOL_ICMP = 1,
	STARLING_PROTOCOL_TCP = 6,
	STARLING_TCP_PORTS = 4, /* bytes up to the end of both ports */
	STARLING_TCP_MIN = 20,
	STARLING_TCP_SYN = 0x02,
	STARLING_TCP_RST = 0x04,
	STARLING_TCP_ACK = 0x10,
	STARLING_ICMP_HEADER = 8,
	STARLING_ICMP_UNREACHABLE = 3,
	STARLING_ICMP_SOURCE_QUENCH = 4,
	STARLING_ICMP_TIME_EXCEEDED = 11,
	STARLING_ICMP_PARAMETER_PROBLEM = 12,
	STARLING_ICMP_QUOTED = 8, /* bytes of the quoted payload that RFC 792 promises: ports and sequence */
};

/* The verdict that a reason stands for. */
STARLING_INLINE enum starling_verdict starling_verdict_of(enum starling_reason reason)
{
	if (reason <= STARLING_PASS_NOT_OURS)
		return STARLING_VERDICT_PASS;
	if (reason <= STARLING_UP_ICMP)
		return STARLING_VERDICT_UP;
	return STARLING_VERDICT_DROP;
}

#define STARLING_ROTATE(value, bits) (((value) << (bits)) | ((value) >> (64 - (bits))))
#define STARLING_SIPROUND(v0, v1, v2, v3)                                                           \
	do {                                                                                        \
		v0 += v1; v1 = STARLING_ROTATE(v1, 13); v1 ^= v0; v0 = STARLING_ROTATE(v0, 32);     \
		v2 += v3; v3 = STARLING_ROTATE(v3, 16); v3 ^= v2;                                   \
		v0 += v3; v3 = STARLING_ROTATE(v3, 21); v3 ^= v0;                                   \
		v2 += v1; v1 = STARLING_ROTATE(v1, 17); v1 ^= v2; v2 = STARLING_ROTATE(v2, 32);     \
	} while (0)

/* SipHash-1-3 of the twelve bytes m0 || m1 (little-endian), low half. */
STARLING_INLINE __u32 starling_hash12(const __u64 key[2], __u64 m0, __u32 m1)
{
	__u64 last = m1 | 12ull << 56;
	__u64 v0 = key[0] ^ 0x736f6d6570736575ull;
	__u64 v1 = key[1] ^ 0x646f72616e646f6dull;
	__u64 v2 = key[0] ^ 0x6c7967656e657261ull;
	__u64 v3 = key[1] ^ 0x7465646279746573ull;

	v3 ^= m0;
	STARLING_SIPROUND(v0, v1, v2, v3);
	v0 ^= m0;
	v3 ^= last;
	STARLING_SIPROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	STARLING_SIPROUND(v0, v1, v2, v3);
	STARLING_SIPROUND(v0, v1, v2, v3);
	STARLING_SIPROUND(v0, v1, v2, v3);
	return (__u32)(v0 ^ v1 ^ v2 ^ v3);
}

/*
 * The sequence number of our SYN: hash of remote address || local address || remote port || local
 * port, each given as loaded raw from the wire.
 */
STARLING_INLINE __u32 starling_cookie(const struct starling_config *config, __u32 remote, __u32 local,
				      __u16 remote_port, __u16 local_port)
{
	__u64 addresses = STARLING_LE32(remote) | (__u64)STARLING_LE32(local) << 32;
	__u32 ports = STARLING_LE16(remote_port) | (__u32)STARLING_LE16(local_port) << 16;

	return starling_hash12(config->key, addresses, ports);
}

STARLING_INLINE int starling_port_is_ours(const struct starling_config *config, __u16 wire_port)
{
	__u16 port = STARLING_BE16(wire_port);

	return port >= config->port_first && port <= config->port_last;
}

/* `cursor` stands behind the fixed IPv4 header `ip`, `length` bytes remain of the datagram. */
STARLING_INLINE enum starling_reason starling_tcp(struct starling_cursor *cursor, const __u8 *ip,
						  __u32 length, const struct starling_config *config)
{
	const __u8 *ports = starling_take(cursor, STARLING_TCP_PORTS);
	const __u8 *rest;
	__u16 remote_port, local_port;
	__u32 header, sequence, difference;
	__u8 flags;

	if (!ports || length < STARLING_TCP_PORTS)
		return STARLING_PASS_OTHER;
	remote_port = starling_load16(ports);
	local_port = starling_load16(ports + 2);
	if (!starling_port_is_ours(config, local_port))
		return STARLING_PASS_NOT_OURS;
	rest = starling_take(cursor, STARLING_TCP_MIN - STARLING_TCP_PORTS);
	if (!rest)
		return STARLING_DROP_BAD_SEGMENT;
	/* These bytes are in the frame; that they are in the datagram too follows from the next check. */
	header = (rest[8] >> 4) * 4u;
	if (header < STARLING_TCP_MIN || header > length)
		return STARLING_DROP_BAD_SEGMENT;

	sequence = starling_load32(rest);
	flags = rest[9];
	if (!(flags & STARLING_TCP_ACK)) /* an RST's sequence number is userspace's to check, RFC 5961 */
		return (flags & (STARLING_TCP_SYN | STARLING_TCP_RST)) == STARLING_TCP_RST
			? STARLING_UP_SEGMENT : STARLING_DROP_BAD_SEGMENT;

	difference = STARLING_BE32(starling_load32(rest + 4)) - 1 -
		     starling_cookie(config, starling_load32(ip + 12), starling_load32(ip + 16),
				     remote_port, local_port);
	if (flags & STARLING_TCP_SYN) {
		if (flags & STARLING_TCP_RST)
			return STARLING_DROP_BAD_SEGMENT;
		return difference ? STARLING_DROP_BAD_COOKIE : STARLING_UP_SYN_ACK;
	}
	if (flags & STARLING_TCP_RST && !sequence && !difference) /* RFC 9293 section 3.5.2, group 1 */
		return config->flags & STARLING_FORWARD_CLOSED ? STARLING_UP_CLOSED : STARLING_DROP_CLOSED;
	return difference <= STARLING_ACK_WINDOW ? STARLING_UP_SEGMENT : STARLING_DROP_BAD_SEGMENT;
}

/* As starling_tcp. An error counts as ours if it quotes a sequence number that we can have sent. */
STARLING_INLINE enum starling_reason starling_icmp(struct starling_cursor *cursor, __u32 length,
						   const struct starling_config *config)
{
	const __u8 *icmp = starling_take(cursor, STARLING_ICMP_HEADER);
	const __u8 *ip, *tcp;
	__u32 header, cookie;

	if (!icmp || length < STARLING_ICMP_HEADER)
		return STARLING_PASS_OTHER;
	if (icmp[0] != STARLING_ICMP_UNREACHABLE && icmp[0] != STARLING_ICMP_SOURCE_QUENCH &&
	    icmp[0] != STARLING_ICMP_TIME_EXCEEDED && icmp[0] != STARLING_ICMP_PARAMETER_PROBLEM)
		return STARLING_PASS_OTHER;

	/* The quoted total length and checksum are not looked at: routers are known to rewrite them. */
	ip = starling_take(cursor, STARLING_IP_MIN);
	if (!ip || ip[0] >> 4 != 4)
		return STARLING_PASS_NOT_OURS;
	header = (ip[0] & 0x0f) * 4u;
	if (header < STARLING_IP_MIN || length < STARLING_ICMP_HEADER + header + STARLING_ICMP_QUOTED)
		return STARLING_PASS_NOT_OURS;
	if (ip[9] != STARLING_PROTOCOL_TCP || STARLING_BE32(starling_load32(ip + 12)) != config->address ||
	    STARLING_BE16(starling_load16(ip + 6)) & STARLING_IP_FRAGMENT_OFFSET)
		return STARLING_PASS_NOT_OURS;
	cursor->at = ip + header;
	tcp = starling_take(cursor, STARLING_ICMP_QUOTED);
	if (!tcp || !starling_port_is_ours(config, starling_load16(tcp)))
		return STARLING_PASS_NOT_OURS;

	cookie = starling_cookie(config, starling_load32(ip + 16), starling_load32(ip + 12),
				 starling_load16(tcp + 2), starling_load16(tcp));
	if (STARLING_BE32(starling_load32(tcp + 4)) - cookie > STARLING_ACK_WINDOW)
		return STARLING_PASS_NOT_OURS;
	return config->flags & STARLING_FORWARD_ICMP ? STARLING_UP_ICMP : STARLING_DROP_ICMP;
}

STARLING_INLINE enum starling_reason starling_ipv4(struct starling_cursor *cursor,
						   const struct starling_config *config)
{
	const __u8 *ip = starling_take(cursor, STARLING_IP_MIN);
	__u32 header, total;

	if (!ip || ip[0] >> 4 != 4)
		return STARLING_PASS_OTHER;
	header = (ip[0] & 0x0f) * 4u;
	total = STARLING_BE16(starling_load16(ip + 2));
	if (header < STARLING_IP_MIN || total < header || ip + total > cursor->end)
		return STARLING_PASS_OTHER;
	if (STARLING_BE16(starling_load16(ip + 6)) & (STARLING_IP_MORE_FRAGMENTS | STARLING_IP_FRAGMENT_OFFSET))
		return STARLING_PASS_FRAGMENT;
	if (ip[9] != STARLING_PROTOCOL_TCP && ip[9] != STARLING_PROTOCOL_ICMP)
		return STARLING_PASS_OTHER;
	if (STARLING_BE32(starling_load32(ip + 16)) != config->address)
		return STARLING_PASS_NOT_OURS;

	cursor->at = ip + header;
	if (ip[9] == STARLING_PROTOCOL_TCP)
		return starling_tcp(cursor, ip, total - header, config);
	return starling_icmp(cursor, total - header, config);
}

/* Judges the Ethernet frame data..end: the verdict, and in *reason why. */
STARLING_INLINE enum starling_verdict starling_judge(const __u8 *data, const __u8 *end,
						     const struct starling_config *config,
						     enum starling_reason *reason)
{
	struct starling_cursor cursor = { .at = data, .end = end };
	const __u8 *ethernet = starling_take(&cursor, 14);
	__u16 type;

	*reason = STARLING_PASS_OTHER;
	if (!ethernet)
		return STARLING_VERDICT_PASS;
	type = STARLING_BE16(starling_load16(ethernet + 12));
	if (type == STARLING_ETHERTYPE_VLAN || type == STARLING_ETHERTYPE_QINQ) {
		const __u8 *tag = starling_take(&cursor, 4);

		if (!tag)
			return STARLING_VERDICT_PASS;
		type = STARLING_BE16(starling_load16(tag + 2));
	}
	if (type == STARLING_ETHERTYPE_IPV4)
		*reason = starling_ipv4(&cursor, config);
	return starling_verdict_of(*reason);
}

#endif
