/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract between the XDP program and userspace: what it is configured with, what it counts.
 * Included by the BPF object, by the native build of verdict.h, and mirrored in src/nic/contract.rs,
 * whose layout a test compares with this file.
 */
#ifndef STARLING_SHARED_H
#define STARLING_SHARED_H

#include <linux/types.h>

/* Written once before load, into .rodata: the verifier sees constants. Addresses and ports in host order. */
struct starling_config {
	__u64 key[2];     /* SipHash-1-3 key of the cookie */
	__u32 address;    /* our source address */
	__u16 port_first; /* our source ports, both ends included */
	__u16 port_last;
	__u32 flags;      /* STARLING_FORWARD_* */
	__u32 reserved;
};

#define STARLING_FORWARD_CLOSED 1u /* hand RSTs that refuse a probe up to userspace */
#define STARLING_FORWARD_ICMP   2u /* hand ICMP errors that quote our segments up to userspace */

/* What becomes of a frame. */
enum starling_verdict {
	STARLING_VERDICT_PASS, /* on to the host's own stack */
	STARLING_VERDICT_UP,   /* into the AF_XDP ring */
	STARLING_VERDICT_DROP, /* nowhere */
};

/*
 * Why a frame got its verdict. One counter each (per CPU), so that every frame the program saw is
 * accounted for: pass_* went on to the host, up_* to AF_XDP, drop_* nowhere. The verdict follows
 * from the reason (starling_verdict_of), so the three groups stay together and in this order.
 */
enum starling_reason {
	STARLING_PASS_OTHER,       /* not IPv4, not TCP or ICMP, truncated: the host's business */
	STARLING_PASS_FRAGMENT,    /* an IPv4 fragment */
	STARLING_PASS_NOT_OURS,    /* another address, or a port outside our range */
	STARLING_UP_SYN_ACK,       /* SYN-ACK whose acknowledgement matches the cookie */
	STARLING_UP_SEGMENT,       /* segment that can belong to a connection of ours */
	STARLING_UP_CLOSED,        /* RST refusing a probe, forwarded on request */
	STARLING_UP_ICMP,          /* ICMP error quoting a segment of ours, forwarded on request */
	STARLING_DROP_CLOSED,      /* RST refusing a probe */
	STARLING_DROP_ICMP,        /* ICMP error quoting a segment of ours */
	STARLING_DROP_BAD_COOKIE,  /* SYN-ACK that acknowledges nothing we sent */
	STARLING_DROP_BAD_SEGMENT, /* other segment to our ports that cannot belong to a connection */
	STARLING_DROP_NO_SOCKET,   /* meant for userspace, but no AF_XDP socket on this queue */
	STARLING_REASONS
};

/*
 * How far beyond cookie+1 an acknowledgement may lie. What we say on a connection (commands, one
 * ClientHello, one encrypted flight) stays far below it.
 */
#define STARLING_ACK_WINDOW 65536u

#endif
