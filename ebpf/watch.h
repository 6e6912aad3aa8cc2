/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which frames the monitor is shown, as a pure function of their bytes: Ethernet with tags of VLANs, PPPoE, MPLS, Cisco's
 * metadata, then IPv4 or IPv6, or IPv6 in IPv4, then TCP of a watched port. It agrees with src/monitor/packet.rs, which
 * reads the same headers of what is handed up; only numbers of tags, labels and extension headers are bounded here, and
 * captures are looked into further: LLC, frames within frames, MPLS in PPP, tunnels.
 */
#ifndef STARLING_WATCH_H
#define STARLING_WATCH_H

#include "monitor.h"
#include "parse.h"

enum {
	WATCH_TAGS = 4,
	WATCH_LABELS = 6,
	WATCH_EXTENSIONS = 8,
	WATCH_TCP = 6, /* protocol numbers */
	WATCH_IPV6 = 41,
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

/* A frame, how far it is read, and how many bytes the packet has from there on, as far as is known. */
struct starling_frame {
	const __u8 *data;
	const __u8 *end;
	__u32 at;
	__u32 room;
};

/* Headers do not reach further into a frame. */
#define WATCH_HEADERS 512u

/*
 * Always zero, which the verifier does not know: what it is added to has one range on all paths, where else each path
 * with tags and headers of its own would be followed to its end.
 */
static volatile __u32 starling_nothing;

/* The next `count` bytes, or null if they are not there. */
STARLING_INLINE const __u8 *starling_next(struct starling_frame *frame, __u32 count)
{
	__u32 at = frame->at;
	const __u8 *taken;

	if (count > frame->room || at > WATCH_HEADERS)
		return 0;
	taken = frame->data + at;
	if (taken + count > frame->end)
		return 0;
	frame->room -= count;
	frame->at = (at + count + starling_nothing) & 4095;
	return taken;
}

/* The byte at `offset` from here, or -1; nothing is taken. */
STARLING_INLINE __s32 starling_peek(const struct starling_frame *frame, __u32 offset)
{
	const __u8 *there;

	if (frame->room <= offset || frame->at > WATCH_HEADERS)
		return -1;
	there = frame->data + frame->at + offset;
	return there + 1 > frame->end ? -1 : *there;
}

STARLING_INLINE __u32 starling_be16(const __u8 *at)
{
	return (__u32)at[0] << 8 | at[1];
}

STARLING_INLINE int starling_watched(const struct starling_watch_config *config, __u32 port)
{
	return config->ports[(port >> 3) & 8191] >> (port & 7) & 1;
}

/* Puts the ends, which stand in `segment` as source and destination, in order. */
STARLING_INLINE void starling_order(struct starling_segment *segment)
{
	__u32 *from = (__u32 *)segment->flow.address[0], *to = (__u32 *)segment->flow.address[1];
	__u32 swap = segment->flow.port[0] > segment->flow.port[1], i;

#pragma unroll
	for (i = 4; i > 0; i--) {
		__u32 one = STARLING_BE32(from[i - 1]), other = STARLING_BE32(to[i - 1]);

		swap = one == other ? swap : one > other;
	}
	segment->side = swap;
	if (swap) {
		__u16 port = segment->flow.port[0];

#pragma unroll
		for (i = 0; i < 4; i++) {
			__u32 word = from[i];

			from[i] = to[i];
			to[i] = word;
		}
		segment->flow.port[0] = segment->flow.port[1];
		segment->flow.port[1] = port;
	}
}

/*
 * RFC 791; its payload is left in `frame`, the length that it says to have in `left`. Says which protocol that is, or why
 * there is none (negative).
 */
STARLING_INLINE __s32 starling_watch_ipv4(struct starling_frame *frame, struct starling_segment *segment, __u32 *left)
{
	__u32 whole = frame->room;
	const __u8 *fixed = starling_next(frame, 20);
	__u32 header, total, protocol;

	if (!fixed)
		return -STARLING_WATCH_CUT;
	header = (fixed[0] & 15) * 4;
	total = starling_be16(fixed + 2);
	protocol = fixed[9];
	if (total == 0) /* what the network card will cut has no length yet */
		total = whole;
	if (header < 20 || total < header)
		return -STARLING_WATCH_MALFORMED;
	if (starling_be16(fixed + 6) & 0x3fff)
		return -STARLING_WATCH_FRAGMENT;
	__builtin_memset(&segment->flow, 0, sizeof(segment->flow));
	segment->flow.address[0][10] = segment->flow.address[0][11] = 0xff;
	segment->flow.address[1][10] = segment->flow.address[1][11] = 0xff;
	__builtin_memcpy(segment->flow.address[0] + 12, fixed + 12, 4);
	__builtin_memcpy(segment->flow.address[1] + 12, fixed + 16, 4);
	if (!starling_next(frame, (header - 20) & 63))
		return -STARLING_WATCH_CUT;
	*left = total - header;
	if (frame->room > *left)
		frame->room = *left;
	return protocol;
}

/* RFC 8200, with the extension headers of its section 4; as above. */
STARLING_INLINE __s32 starling_watch_ipv6(struct starling_frame *frame, struct starling_segment *segment, __u32 *left)
{
	const __u8 *fixed = starling_next(frame, 40);
	__u32 next, i;

	if (!fixed)
		return -STARLING_WATCH_CUT;
	*left = starling_be16(fixed + 4);
	if (*left == 0)
		*left = frame->room;
	if (frame->room > *left)
		frame->room = *left;
	next = fixed[6];
	__builtin_memcpy(segment->flow.address, fixed + 8, 32);
#pragma unroll
	for (i = 0; i < WATCH_EXTENSIONS; i++) {
		__u32 length = 8;
		__s32 words, following;

		if (next == WATCH_TCP)
			break;
		words = starling_peek(frame, 1);
		if (next == 44) { /* a fragment, or one that is whole (RFC 6946) */
			__s32 high = starling_peek(frame, 2), low = starling_peek(frame, 3);

			if (high < 0 || low < 0)
				return -STARLING_WATCH_CUT;
			if (high || low & 0xf9)
				return -STARLING_WATCH_FRAGMENT;
		} else if (next == 0 || next == 43 || next == 51 || next == 60 || next == 135 || next == 139) {
			if (words < 0)
				return -STARLING_WATCH_CUT;
			/* Of the authentication header in words of four bytes, less two (RFC 4302, section 2.2). */
			length = 8 + (next == 51 ? 4 : 8) * ((__u32)words & 255);
		} else {
			return -STARLING_WATCH_NOT_TCP;
		}
		if (length > *left)
			return -STARLING_WATCH_MALFORMED;
		*left -= length;
		following = starling_peek(frame, 0);
		if (following < 0 || !starling_next(frame, length & 4095))
			return -STARLING_WATCH_CUT;
		next = following;
	}
	return next;
}

/* What becomes of a frame of `length` bytes, of which those up to `end` can be looked at. */
STARLING_INLINE enum starling_watch_reason starling_watch(const __u8 *data, const __u8 *end, __u32 length,
							  const struct starling_watch_config *config,
							  struct starling_segment *segment)
{
	struct starling_frame frame = { .data = data, .end = end, .at = 0, .room = length };
	const __u8 *at = starling_next(&frame, 14);
	__s32 version, protocol = WATCH_IPV6;
	__u32 kind, left = 0, i;

	if (!at)
		return STARLING_WATCH_CUT;
	kind = starling_be16(at + 12);
#pragma unroll
	for (i = 0; i < WATCH_TAGS; i++) {
		__u32 tag = 4;

		if (kind == 0x8909) { /* Cisco's metadata: version, length in words, options, the next EtherType */
			__s32 words = starling_peek(&frame, 1);

			if (words < 0)
				return STARLING_WATCH_CUT;
			tag = 4 + 4 * ((__u32)words & 255);
		} else if (kind != 0x8100 && kind != 0x88a8 && kind != 0x9100) {
			break;
		}
		if (!starling_next(&frame, (tag - 2) & 2047))
			return STARLING_WATCH_CUT;
		at = starling_next(&frame, 2);
		if (!at)
			return STARLING_WATCH_CUT;
		kind = starling_be16(at);
	}
	if (kind == 0x8864) { /* RFC 2516, section 4; RFC 1661 */
		at = starling_next(&frame, 8);
		if (!at)
			return STARLING_WATCH_CUT;
		kind = starling_be16(at + 6);
		if (kind != 0x0021 && kind != 0x0057)
			return STARLING_WATCH_NOT_IP;
	} else if (kind == 0x8847) { /* RFC 3032, section 2.1 */
		__u32 bottom = 0;

		for (i = 0; i < WATCH_LABELS && !bottom; i++) {
			at = starling_next(&frame, 4);
			if (!at)
				return STARLING_WATCH_CUT;
			bottom = at[2] & 1;
		}
		if (!bottom)
			return STARLING_WATCH_NOT_IP;
	} else if (kind != 0x0800 && kind != 0x86dd) {
		return STARLING_WATCH_NOT_IP;
	}

	version = starling_peek(&frame, 0);
	if (version < 0)
		return STARLING_WATCH_CUT;
	if (version >> 4 == 4) {
		protocol = starling_watch_ipv4(&frame, segment, &left);
		if (protocol < 0)
			return -protocol;
		if (protocol == WATCH_IPV6 && starling_peek(&frame, 0) >> 4 != 6)
			return STARLING_WATCH_NOT_TCP;
	} else if (version >> 4 != 6) {
		return STARLING_WATCH_NOT_IP;
	}
	if (protocol == WATCH_IPV6) { /* by itself, or in IPv4 (RFC 4213, section 3.5) */
		protocol = starling_watch_ipv6(&frame, segment, &left);
		if (protocol < 0)
			return -protocol;
	}
	if (protocol != WATCH_TCP)
		return STARLING_WATCH_NOT_TCP;

	at = starling_next(&frame, 20); /* RFC 9293, section 3.1 */
	if (!at)
		return left < 20 ? STARLING_WATCH_MALFORMED : STARLING_WATCH_CUT;
	segment->flow.port[0] = starling_be16(at);
	segment->flow.port[1] = starling_be16(at + 2);
	segment->flags = at[13];
	if (!(config->flags & STARLING_WATCH_ANY_PORT) && !starling_watched(config, segment->flow.port[0]) &&
	    !starling_watched(config, segment->flow.port[1]))
		return STARLING_WATCH_OTHER_PORTS;
	starling_order(segment);
	return STARLING_WATCH_UP;
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
