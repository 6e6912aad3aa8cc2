/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract between the lab's XDP responder and starling-lab: what the world is like, what is
 * counted. Numbers are in host order.
 */
#ifndef STARLING_RESPONDER_H
#define STARLING_RESPONDER_H

#include <linux/types.h>

/* Written once before load, into .rodata: the verifier sees constants. */
struct lab_config {
	__u64 key;    /* of the hash that decides what a target does */
	__u32 first;  /* the space: SYNs to other addresses are counted and not answered */
	__u32 last;
	__u32 router; /* where ICMP errors come from */
	__u32 flags;  /* LAB_* */
};

#define LAB_REMEMBER 1u /* keep a bit a target, so that a second SYN to it is noticed */
#define LAB_VERIFY   2u /* check the checksums of every segment, as a host would */

/*
 * What the targets of a port do. Bounds of a draw of 31 bits, each above the one before: a draw below
 * `syn_ack` is a SYN-ACK, else below `rst` an RST, and so on; silence above the last.
 */
struct lab_rule {
	__u32 syn_ack;
	__u32 rst;
	__u32 icmp;
	__u32 syn_ack_only;
	__u32 loss;      /* of SYNs, by a draw a segment */
	__u32 duplicate; /* of SYN-ACKs, by a draw a target */
};

#define LAB_RULES 64
#define LAB_NOWHERE 0xffff

struct lab_port {
	__u16 rule; /* which of the rules; below LAB_RULES */
	__u16 rank; /* position among the ports of the space, LAB_NOWHERE if it is none of them */
};

struct lab_world {
	struct lab_port ports[65536];
	struct lab_rule rules[LAB_RULES];
};

/* Bits of a page of the memory of targets: bit (rank * addresses + address - first) says "SYN seen". */
#define LAB_PAGE_WORDS 512
#define LAB_PAGE_BITS_LOG2 15

/*
 * What is counted, per CPU. frames is the sum of not_ipv4 ... segment_stray without the kinds of answers;
 * syn is the sum of syn_elsewhere ... silent.
 */
#define LAB_COUNTS(X)                                                                                 \
	X(frames)          /* all that arrived */                                                     \
	X(not_ipv4)        /* ARP and the like: the kernel's business */                              \
	X(not_tcp)                                                                                    \
	X(malformed)       /* truncated, fragmented or with IP options */                             \
	X(bad_checksum)    /* with LAB_VERIFY */                                                      \
	X(syn)                                                                                        \
	X(rst_received)                                                                               \
	X(segment_reset)   /* other segments to targets of kind syn_ack: answered by an RST */        \
	X(segment_ignored) /* other segments to targets of kind syn_ack_only */                       \
	X(segment_stray)   /* other segments to targets that have no connection */                    \
	X(syn_elsewhere)   /* outside the space */                                                    \
	X(lost)            /* SYNs lost on request */                                                 \
	X(syn_ack)                                                                                    \
	X(rst)                                                                                        \
	X(icmp)                                                                                       \
	X(syn_ack_only)                                                                               \
	X(silent)                                                                                     \
	X(syn_again)       /* with LAB_REMEMBER: SYNs to a target that had one before */              \
	X(duplicated)      /* SYN-ACKs that went twice */                                             \
	X(failed)          /* answers that could not be made */                                       \
	X(hash_sum)        /* sum of the hashes of the targets of all SYNs in the space, modulo 2^64 */

#define LAB_COUNT_ENUM(name) LAB_COUNT_##name,
enum lab_count { LAB_COUNTS(LAB_COUNT_ENUM) LAB_COUNT_LEN };

#endif
