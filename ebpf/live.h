/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract between the program that sends probes (live.bpf.c) and userspace: the template, and the
 * ring through which the facts of each probe come. Mirrored in src/nic/xdp/ring.rs, whose layout a test
 * compares with this file.
 */
#ifndef STARLING_LIVE_H
#define STARLING_LIVE_H

#include <linux/types.h>

#define STARLING_FRAME_MIN 54u    /* bytes of a template: Ethernet, IPv4 and TCP without options */
#define STARLING_FRAME_MAX 128u
#define STARLING_RING_SIZE 65536u /* probes in the ring: a power of two */
#define STARLING_RING_STEP 64u    /* probes sent before `taken` tells it */
#define STARLING_GIVEN_SIZE 64u   /* probes given to the driver whose fate is not known: a power of two, beyond the
                                     kernel's DEV_MAP_BULK_SIZE of 16 */
#define STARLING_RESET 0xffffu    /* as IPv4's checksum, which is never that: a reset instead of a probe */
#define STARLING_RESET_SIZE 60u   /* bytes of its frame, padding included */
#define STARLING_PAUSE_MIN 128u   /* runs without sending after a refusal, some tens of nanoseconds each */
#define STARLING_PAUSE_MAX 65536u /* and after a row of them */

/* The constant part of every probe: Ethernet, IPv4 without options, TCP. */
struct starling_template {
	__u8 frame[STARLING_FRAME_MAX];
	__u32 length;
	__u32 clock; /* where in the frame four bytes of clock stand, that vary as well; 0 if they do not */
};

/* What varies, as it stands in the frame. The IPv4 identification is the sequence number's halves, xored. Of a reset
 * (STARLING_RESET) lengths, flags, window and options are those of one, and IPv4's checksum is computed. */
struct starling_probe {
	__u32 address;
	__u32 ports;
	__u32 sequence;
	__u16 network_sum;
	__u16 transport_sum;
};

/* A probe that is kept until it is known what became of it. */
struct starling_kept {
	struct starling_probe probe;
	__u32 clock;
	__u32 zero;
};

/* Counts only grow; a probe's place is its number modulo the ring's size. A cache line for each writer. */
struct starling_ring {
	__u64 made; /* by userspace: so many probes are in place */
	__u64 made_line[7];

	__u64 next; /* the program's own: the probe to send next */
	__u64 seen; /* the program's own: `made` as last read */
	__u64 idle; /* runs that sent nothing: no probe was due, or the driver was not to be given any */
	__u64 gone; /* runs that found no interface any more */
	__u64 hold; /* so many runs are to send nothing, for the driver to catch up */
	__u64 pause; /* by how much the next refusal sets `hold` */
	__u64 given; /* frames on their way to the driver, those of probes sent again included */
	__u64 known; /* those of them of which it is known what became */

	__u64 taken; /* by the program, now and then: these places are free again */
	__u64 taken_line[7];

	/* Of a line that hardly anybody writes: the programs of all lanes look at it whenever one lane's frames are sent. */
	__u64 thread; /* who runs the program (bpf_get_current_pid_tgid) */
	__u64 thread_line[7];

	__u64 sent;    /* frames that the driver took */
	__u64 refused; /* frames that the driver did not take, its ring being full: their probes are sent again */
	__u64 down;    /* frames that came to no driver, the interface being down: sent again as well */
	__u64 again;   /* so many probes were to be sent again */
	__u64 again_next; /* the one of them to send next */
	__u64 withdrawn;  /* probes that userspace took back, by making their ports zero, before they were sent */
	__u64 resets;     /* of those taken, so many were resets */
	__u64 sent_line;

	struct starling_kept on_their_way[STARLING_GIVEN_SIZE]; /* `known` to `given` */
	struct starling_kept once_more[STARLING_GIVEN_SIZE];    /* `again_next` to `again` */
	struct starling_probe probes[STARLING_RING_SIZE];
	__u32 clocks[STARLING_RING_SIZE]; /* of the same probes */
};

#endif
