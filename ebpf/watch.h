/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which frames the monitor is shown, as a pure function of their bytes: Ethernet with tags of VLANs, PPPoE, MPLS, Cisco's
 * metadata, then IPv4 or IPv6, or IPv6 in IPv4, then TCP of a watched port. It agrees with src/monitor/packet.rs, which
 * reads the same headers of what is handed up; only numbers of tags, labels and extension headers are bounded here.
 */
#ifndef STARLING_WATCH_H
#define STARLING_WATCH_H

#include "monitor.h"
#include "parse.h"

enum {
	WATCH_TAGS = 4,
	WATCH_LABELS = 6,
	WATCH_EXTENSIONS = 8,
	WATCH_TCP_FIN = 0x01,
	WATCH_TCP_SYN = 0x02,
	WATCH_TCP_RST = 0x04,
	WATCH_TCP_ACK = 0x10,
};

/* What is to be known of a segment. */
struct starling_segment {
	struct starling_flow flow;
	__u32 side; /* which end sent it: 0 or 1 */
	__u32 flags;
};

/* A packet: its first byte, where the frame ends, how many bytes the packet has, as far as the frame tells. */
struct starling_packet {
	struct starling_cursor cursor;
	__u32 room;
};

/* The next `count` bytes; `room` counts down with them. */
STARLING_INLINE const __u8 *starling_next(struct starling_packet *packet, __u32 count)
{
	if (count > packet->room)
		return 0;
	packet->room -= count;
	return starling_take(&packet->cursor, count);
}

STARLING_INLINE __u32 starling_be16(const __u8 *at)
{
	return (__u32)at[0] << 8 | at[1];
}

STARLING_INLINE int starling_watched(const struct starling_watch_config *config, __u32 port)
{
	return config->ports[(port >> 3) & 8191] >> (port & 7) & 1;
}

/* Puts the ends in order. `from` and `to` are 16 bytes each. */
STARLING_INLINE void starling_order(const __u8 *from, const __u8 *to, __u32 from_port, __u32 to_port,
				    struct starling_segment *segment)
{
	__u32 low = 0, decided = 0, i;

	for (i = 0; i < 4; i++) {
		__u32 one = STARLING_BE32(starling_load32(from + 4 * i));
		__u32 other = STARLING_BE32(starling_load32(to + 4 * i));

		if (!decided && one != other) {
			decided = 1;
			low = one < other;
		}
	}
	if (!decided)
		low = from_port <= to_port;
	segment->side = !low;
	if (low) {
		__builtin_memcpy(segment->flow.address[0], from, 16);
		__builtin_memcpy(segment->flow.address[1], to, 16);
		segment->flow.port[0] = from_port;
		segment->flow.port[1] = to_port;
	} else {
		__builtin_memcpy(segment->flow.address[0], to, 16);
		__builtin_memcpy(segment->flow.address[1], from, 16);
		segment->flow.port[0] = to_port;
		segment->flow.port[1] = from_port;
	}
}

/* RFC 9293, section 3.1. `left` is what the packet says to have. */
STARLING_INLINE enum starling_watch_reason starling_watch_tcp(struct starling_packet *packet, __u32 left,
							      const __u8 *from, const __u8 *to,
							      const struct starling_watch_config *config,
							      struct starling_segment *segment)
{
	const __u8 *tcp = starling_next(packet, 20);
	__u32 from_port, to_port;

	if (!tcp)
		return left < 20 ? STARLING_WATCH_MALFORMED : STARLING_WATCH_CUT;
	from_port = starling_be16(tcp);
	to_port = starling_be16(tcp + 2);
	if (!(config->flags & STARLING_WATCH_ANY_PORT) && !starling_watched(config, from_port) &&
	    !starling_watched(config, to_port))
		return STARLING_WATCH_OTHER_PORTS;
	segment->flags = tcp[13];
	starling_order(from, to, from_port, to_port, segment);
	return STARLING_WATCH_UP;
}

/* RFC 8200, with the extension headers of its section 4. */
STARLING_INLINE enum starling_watch_reason starling_watch_ipv6(struct starling_packet *packet,
							       const struct starling_watch_config *config,
							       struct starling_segment *segment)
{
	const __u8 *fixed = starling_next(packet, 40);
	__u32 left, next, i;

	if (!fixed)
		return STARLING_WATCH_CUT;
	left = starling_be16(fixed + 4);
	if (left == 0)
		left = packet->room;
	if (packet->room > left)
		packet->room = left;
	next = fixed[6];
	for (i = 0; i < WATCH_EXTENSIONS && next != 6; i++) {
		const __u8 *at = packet->cursor.at;
		__u32 length = 8;

		if (next == 44) { /* a fragment, or one that is whole (RFC 6946) */
			if (packet->room < 4 || at + 4 > packet->cursor.end)
				return STARLING_WATCH_CUT;
			if (starling_be16(at + 2) & 0xfff9)
				return STARLING_WATCH_FRAGMENT;
		} else if (next == 0 || next == 43 || next == 51 || next == 60 || next == 135 || next == 139) {
			if (packet->room < 2 || at + 2 > packet->cursor.end)
				return STARLING_WATCH_CUT;
			/* Of the authentication header in words of four bytes, less two (RFC 4302, section 2.2). */
			length = 8 + (next == 51 ? 4 : 8) * (__u32)at[1];
		} else {
			return STARLING_WATCH_NOT_TCP;
		}
		if (length > left)
			return STARLING_WATCH_MALFORMED;
		left -= length;
		next = at[0];
		if (!starling_next(packet, length))
			return STARLING_WATCH_CUT;
	}
	if (next != 6)
		return STARLING_WATCH_NOT_TCP;
	return starling_watch_tcp(packet, left, fixed + 8, fixed + 24, config, segment);
}

/* RFC 791; RFC 4213, section 3.5 for IPv6 in it. */
STARLING_INLINE enum starling_watch_reason starling_watch_ipv4(struct starling_packet *packet, __u8 mapped[2][16],
							       const struct starling_watch_config *config,
							       struct starling_segment *segment)
{
	const __u8 *inner = packet->cursor.at;
	__u32 whole = packet->room;
	const __u8 *fixed = starling_next(packet, 20);
	__u32 header, total, i;

	if (!fixed)
		return STARLING_WATCH_CUT;
	header = (fixed[0] & 15) * 4;
	total = starling_be16(fixed + 2);
	if (total == 0) /* what the network card will cut has no length yet */
		total = whole;
	if (header < 20 || total < header)
		return STARLING_WATCH_MALFORMED;
	if (starling_be16(fixed + 6) & 0x3fff)
		return STARLING_WATCH_FRAGMENT;
	if (!starling_next(packet, header - 20))
		return STARLING_WATCH_CUT;
	if (packet->room > total - header)
		packet->room = total - header;
	if (fixed[9] == 41) {
		inner = packet->cursor.at;
		if (packet->room < 1 || inner + 1 > packet->cursor.end || inner[0] >> 4 != 6)
			return STARLING_WATCH_NOT_TCP;
		return starling_watch_ipv6(packet, config, segment);
	}
	if (fixed[9] != 6)
		return STARLING_WATCH_NOT_TCP;
	for (i = 0; i < 2; i++) {
		__builtin_memset(mapped[i], 0, 10);
		mapped[i][10] = mapped[i][11] = 0xff;
		__builtin_memcpy(mapped[i] + 12, fixed + 12 + 4 * i, 4);
	}
	return starling_watch_tcp(packet, total - header, mapped[0], mapped[1], config, segment);
}

/* What becomes of a frame of `length` bytes, of which those up to `end` can be looked at. */
STARLING_INLINE enum starling_watch_reason starling_watch(const __u8 *data, const __u8 *end, __u32 length,
							  const struct starling_watch_config *config,
							  struct starling_segment *segment)
{
	struct starling_packet packet = { .cursor = { data, end }, .room = length };
	const __u8 *at = starling_next(&packet, 14);
	__u8 mapped[2][16];
	__u32 kind, i;

	if (!at)
		return STARLING_WATCH_CUT;
	kind = starling_be16(at + 12);
	for (i = 0; i < WATCH_TAGS; i++) {
		__u32 tag = 4;

		if (kind == 0x8909) { /* Cisco's metadata: version, length in words, options, the next EtherType */
			at = packet.cursor.at;
			if (at + 2 > end)
				return STARLING_WATCH_CUT;
			tag = 4 + 4 * (__u32)at[1];
		} else if (kind != 0x8100 && kind != 0x88a8 && kind != 0x9100) {
			break;
		}
		at = starling_next(&packet, tag - 2);
		if (!at)
			return STARLING_WATCH_CUT;
		at = starling_next(&packet, 2);
		if (!at)
			return STARLING_WATCH_CUT;
		kind = starling_be16(at);
	}
	if (kind == 0x8864) { /* RFC 2516, section 4; RFC 1661 */
		at = starling_next(&packet, 8);
		if (!at)
			return STARLING_WATCH_CUT;
		kind = starling_be16(at + 6);
		if (kind != 0x0021 && kind != 0x0057)
			return STARLING_WATCH_NOT_IP;
	} else if (kind == 0x8847) { /* RFC 3032, section 2.1 */
		for (i = 0; i < WATCH_LABELS; i++) {
			at = starling_next(&packet, 4);
			if (!at)
				return STARLING_WATCH_CUT;
			if (at[2] & 1)
				break;
		}
		if (i == WATCH_LABELS)
			return STARLING_WATCH_NOT_IP;
	} else if (kind != 0x0800 && kind != 0x86dd) {
		return STARLING_WATCH_NOT_IP;
	}
	at = packet.cursor.at;
	if (at + 1 > end)
		return STARLING_WATCH_CUT;
	if (at[0] >> 4 == 4)
		return starling_watch_ipv4(&packet, mapped, config, segment);
	if (at[0] >> 4 == 6)
		return starling_watch_ipv6(&packet, config, segment);
	return STARLING_WATCH_NOT_IP;
}

/* The lane of a connection, the same for both directions. */
STARLING_INLINE __u32 starling_lane_of(const struct starling_flow *flow, __u32 lanes)
{
	const __u32 *words = (const __u32 *)flow;
	__u32 hash = 0x811c9dc5, i;

	for (i = 0; i < sizeof(*flow) / 4; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b1;
		hash ^= hash >> 15;
	}
	return (__u32)((__u64)hash * lanes >> 32);
}

#endif
