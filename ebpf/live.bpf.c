// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Sends probes: run by BPF_PROG_RUN on fresh frames of the kernel's (BPF_F_TEST_XDP_LIVE_FRAMES), it
 * writes template and facts into each and has the driver of the interface send it (ndo_xdp_xmit).
 * No socket buffer is ever made. What the driver does not take, a second program counts.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "live.h"

/* The kernel's, as far as it is looked at. */
struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

/* As src/nic/xdp/ring.rs and live.rs have it. */
_Static_assert(__builtin_offsetof(struct starling_ring, next) == 64, "next");
_Static_assert(__builtin_offsetof(struct starling_ring, idle) == 80, "idle");
_Static_assert(__builtin_offsetof(struct starling_ring, taken) == 128, "taken");
_Static_assert(__builtin_offsetof(struct starling_ring, thread) == 192, "thread");
_Static_assert(__builtin_offsetof(struct starling_ring, refused) == 208, "refused");
_Static_assert(__builtin_offsetof(struct starling_ring, probes) == 256, "probes");
_Static_assert(sizeof(struct starling_ring) == 256 + 20 * 65536, "ring");
_Static_assert(sizeof(struct starling_template) == 136, "template");

/* The loopback device has this index in each namespace (the kernel's LOOPBACK_IFINDEX). */
#define LOOPBACK 1

#define INLINE static inline __attribute__((always_inline))

/* The ring, mapped into userspace. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct starling_ring);
} ring SEC(".maps");

/* The interface. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} interface SEC(".maps");

/* Filled in by the loader before the program is verified: its length decides which stores remain. */
const volatile struct starling_template template = {};

INLINE struct starling_ring *starling_ring(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ring, &zero);
}

/* Whether a probe is there to be sent. If not, userspace learns that all are taken. */
INLINE int starling_due(struct starling_ring *at)
{
	if (at->hold) {
		at->hold -= 1;
		at->idle += 1;
		return 0;
	}
	if (at->next != at->seen)
		return 1;
	/* An atomic addition of nothing: what `made` counts is read after it, not before. */
	at->seen = __sync_fetch_and_add(&at->made, 0);
	if (at->next != at->seen)
		return 1;
	__sync_lock_test_and_set(&at->taken, at->next);
	at->idle += 1;
	return 0;
}

/* The caller has seen that the frame has `length` bytes. */
INLINE void starling_write(__u8 *frame, __u32 length, const volatile struct starling_template *from,
			   const struct starling_probe *probe)
{
	__u32 offset;

	/* All of it: the one who had the page before us may have sent an answer in it. */
#pragma clang loop unroll(full)
	for (offset = 0; offset < STARLING_FRAME_MAX; offset += 8)
		if (offset + 8 <= length)
			*(__u64 *)(frame + offset) = *(const volatile __u64 *)(from->frame + offset);
	*(__u64 *)(frame + length - 8) = *(const volatile __u64 *)(from->frame + length - 8);

	*(__u16 *)(frame + 18) = (__u16)(probe->sequence ^ probe->sequence >> 16);
	*(__u16 *)(frame + 24) = probe->network_sum;
	*(__u32 *)(frame + 30) = probe->address;
	*(__u32 *)(frame + 34) = probe->ports;
	*(__u32 *)(frame + 38) = probe->sequence;
	*(__u16 *)(frame + 50) = probe->transport_sum;
}

SEC("xdp")
int starling_send(struct xdp_md *context)
{
	const volatile struct starling_template *from = &template;
	struct starling_ring *at = starling_ring();
	__u8 *frame = (__u8 *)(long)context->data;
	const __u8 *end = (const __u8 *)(long)context->data_end;
	__u32 length, clock;
	__u64 next;
	int action;

	/* Hides from the compiler where the pointer comes from: it must not fold the zeros above. */
	asm volatile("" : "+r"(from));
	length = from->length;
	if (!at || length < STARLING_FRAME_MIN || length > STARLING_FRAME_MAX || frame + length > end)
		return XDP_ABORTED;
	if (!starling_due(at))
		return XDP_DROP;

	next = at->next;
	starling_write(frame, length, from, &at->probes[next % STARLING_RING_SIZE]);
	clock = from->clock;
	if (clock && clock + 4 <= length)
		*(__u32 *)(frame + clock) = at->clocks[next % STARLING_RING_SIZE];
	next += 1;
	at->next = next;
	if (next % STARLING_RING_STEP == 0)
		__sync_lock_test_and_set(&at->taken, next);
	action = (int)bpf_redirect_map(&interface, 0, XDP_DROP);
	if (action != XDP_REDIRECT)
		at->gone += 1;
	return action;
}

/* Sends the frame as it came: to find out, before any probe depends on it, whether the driver takes frames. */
SEC("xdp")
int starling_try(struct xdp_md *context)
{
	(void)context;
	return (int)bpf_redirect_map(&interface, 0, XDP_DROP);
}

/*
 * The driver was given frames: (from, to, sent, drops, error). Run once by hand, with zeros, it notes the
 * thread for which it is to count.
 */
SEC("raw_tp/xdp_devmap_xmit")
int starling_sent(struct bpf_raw_tracepoint_args *context)
{
	struct starling_ring *at = starling_ring();
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 refused = (__u32)context->args[3];
	const struct net_device *from;

	if (!at)
		return 0;
	if (!context->args[1])
		at->thread = thread;
	if (at->thread != thread)
		return 0;
	/* On this thread the kernel may also forward frames of others. Ours alone come from a loopback device. */
	from = (const struct net_device *)context->args[0];
	if (!from || BPF_CORE_READ(from, ifindex) != LOOPBACK)
		return 0;
	at->sent += (__u32)context->args[2];
	at->refused += refused;
	/* A full ring is given time, ever more of it as long as that does not help. */
	if (refused) {
		at->hold = at->pause;
		at->pause *= 2;
	} else {
		at->pause -= at->pause >> 8;
	}
	if (at->pause < STARLING_PAUSE_MIN)
		at->pause = STARLING_PAUSE_MIN;
	if (at->pause > STARLING_PAUSE_MAX)
		at->pause = STARLING_PAUSE_MAX;
	return 0;
}

/* For the kernel's eyes, which knows no other spelling; "MIT" is the half that we mean. */
char program_license[] SEC("license") = "Dual MIT/GPL";
