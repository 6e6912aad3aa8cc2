/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract between the monitor's programs and userspace: what they are configured with, what they count, how a
 * frame lies in a ring. Mirrored in src/nic/xdp/watch.rs; tests/ebpf/monitor.rs compares.
 */
#ifndef STARLING_MONITOR_H
#define STARLING_MONITOR_H

#include <linux/types.h>

/* Written once before load, into .rodata. */
struct starling_watch_config {
	__u32 flags;       /* STARLING_WATCH_* */
	__u32 lanes;       /* rings, at least one */
	__u8 ports[8192];  /* a bit for each watched port of a server, the lowest bit of a byte first */
};

#define STARLING_WATCH_ANY_PORT 1u /* all ports are watched */
#define STARLING_WATCH_MIRROR   2u /* nothing that arrives is for this host: it ends here */

/*
 * Where a frame went. One counter each (per CPU), of frames and of their bytes. Those before STARLING_WATCH_SHUNTED are
 * named as in src/monitor/account.rs, which counts the same of the frames that are handed up.
 */
enum starling_watch_reason {
	STARLING_WATCH_NOT_IP,      /* neither IPv4 nor IPv6 */
	STARLING_WATCH_FRAGMENT,    /* a fragment */
	STARLING_WATCH_NOT_TCP,     /* another protocol than TCP */
	STARLING_WATCH_CUT,         /* ends before its headers do */
	STARLING_WATCH_MALFORMED,   /* headers that contradict themselves */
	STARLING_WATCH_OTHER_PORTS, /* ports that are not watched */
	STARLING_WATCH_SHUNTED,     /* a connection of which userspace has seen enough */
	STARLING_WATCH_RING_FULL,   /* for userspace, which was too slow */
	STARLING_WATCH_UP,          /* copied into the ring of its lane */
	STARLING_WATCH_REASONS
};

struct starling_watch_count {
	__u64 frames;
	__u64 bytes;
};

/* A connection by its ends, the one of the lower address, then port, first. IPv4 as IPv6 that maps it. */
struct starling_flow {
	__u8 address[2][16]; /* as on the wire */
	__u16 port[2];       /* host order */
};

/* A connection that is not handed up. */
struct starling_shunt {
	__u64 until;  /* bpf_ktime_get_ns from when on it is handed up again */
	__u32 fins;   /* which ends have sent FIN: bit 0 the first, bit 1 the second */
	__u32 closed; /* it is over, and `until` stays as it is */
};

/* How long a shunted connection may be silent, and how long it is kept in mind once it is over: nanoseconds. */
#define STARLING_SHUNT_SILENCE 300000000000ull
#define STARLING_SHUNT_LINGER  5000000000ull

/* What a frame in a ring begins with. Its bytes follow; what is behind them is of no meaning. */
struct starling_seen {
	__u64 time;     /* bpf_ktime_get_ns */
	__u32 length;   /* of the frame, bytes */
	__u32 captured; /* bytes of it that follow */
};

/* Rings at most. */
#define STARLING_WATCH_LANES 64
/* Bytes captured of a frame at most: the longest that segmentation offload makes, with its headers. */
#define STARLING_WATCH_CAPTURED 65792

#endif
