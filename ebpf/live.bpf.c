// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Sends probes: run by BPF_PROG_RUN on fresh frames of the kernel's (BPF_F_TEST_XDP_LIVE_FRAMES), it
 * writes template and facts into each and has the driver of the interface send it (ndo_xdp_xmit).
 * No socket buffer is ever made. What the driver does not take, a second program counts.
 */
#include <linux/bpf.h>
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
_Static_assert(__builtin_offsetof(struct starling_ring, sent) == 256, "sent");
_Static_assert(__builtin_offsetof(struct starling_ring, again_next) == 288, "again_next");
_Static_assert(__builtin_offsetof(struct starling_ring, resets) == 304, "resets");
_Static_assert(__builtin_offsetof(struct starling_ring, on_their_way) == 320, "on_their_way");
_Static_assert(__builtin_offsetof(struct starling_ring, probes) == 3392, "probes");
_Static_assert(sizeof(struct starling_ring) == 3392 + 20 * 65536, "ring");
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
	if (at->again_next != at->again || at->next != at->seen)
		return 1;
	/* An atomic addition of nothing: what `made` counts is read after it, not before. */
	at->seen = __sync_fetch_and_add(&at->made, 0);
	if (at->next != at->seen)
		return 1;
	__sync_lock_test_and_set(&at->taken, at->next);
	at->idle += 1;
	return 0;
}

/* The next probe, one that is to be sent again before any other; kept until its fate is known. */
INLINE const struct starling_kept *starling_next(struct starling_ring *at, __u32 has_clock)
{
	struct starling_kept *kept = &at->on_their_way[at->given % STARLING_GIVEN_SIZE];
	__u64 next = at->next;

	if (at->again_next != at->again) {
		*kept = at->once_more[at->again_next % STARLING_GIVEN_SIZE];
		at->again_next += 1;
	} else {
		kept->probe = at->probes[next % STARLING_RING_SIZE];
		if (has_clock)
			kept->clock = at->clocks[next % STARLING_RING_SIZE];
		if (kept->probe.network_sum == STARLING_RESET)
			at->resets += 1;
		next += 1;
		at->next = next;
		if (next % STARLING_RING_STEP == 0)
			__sync_lock_test_and_set(&at->taken, next);
	}
	at->given += 1;
	return kept;
}

/* Has a frame's probe, by the frame's number, sent again. No more of them are given or to be given again at any time
 * than the kernel gathers before it calls the driver, and one. */
INLINE void starling_again(struct starling_ring *at, __u64 number)
{
	at->once_more[at->again % STARLING_GIVEN_SIZE] = at->on_their_way[number % STARLING_GIVEN_SIZE];
	at->again += 1;
}

/* A driver that does not take frames is given time, ever more of it as long as that does not help. */
INLINE void starling_pause(struct starling_ring *at, __u32 refused)
{
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
}

/* Whether a tracepoint's event is of a frame of ours: this thread's, for on it the kernel may also forward frames of
 * others, and come from a loopback device, as ours alone do. */
INLINE int starling_ours(const struct starling_ring *at, const struct net_device *from)
{
	return from && from->ifindex == LOOPBACK && at->thread == bpf_get_current_pid_tgid();
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

/* Makes of the frame written a reset: the header ends where options would begin, and padding follows. The caller has
 * seen that the frame is long enough. */
INLINE void starling_reset(__u8 *frame)
{
	__u32 sum = 0, offset;

	frame[16] = 0;
	frame[17] = 40; /* bytes of the packet */
	*(__u16 *)(frame + 24) = 0;
#pragma clang loop unroll(full)
	for (offset = 14; offset < 34; offset += 2)
		sum += *(__u16 *)(frame + offset);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)(frame + 24) = (__u16)~sum;
	*(__u32 *)(frame + 42) = 0; /* nothing acknowledged */
	frame[46] = 0x50;	    /* 20 bytes of header */
	frame[47] = 0x04;	    /* RST */
	*(__u16 *)(frame + 48) = 0; /* window */
	*(__u16 *)(frame + 52) = 0; /* urgent pointer */
	*(__u16 *)(frame + 54) = 0;
	*(__u32 *)(frame + 56) = 0;
}

SEC("xdp")
int starling_send(struct xdp_md *context)
{
	const volatile struct starling_template *from = &template;
	struct starling_ring *at = starling_ring();
	__u8 *frame = (__u8 *)(long)context->data;
	const __u8 *end = (const __u8 *)(long)context->data_end;
	const struct starling_kept *kept;
	__u32 length, clock;
	int action;

	/* Hides from the compiler where the pointer comes from: it must not fold the zeros above. */
	asm volatile("" : "+r"(from));
	length = from->length;
	if (!at || length < STARLING_FRAME_MIN || length > STARLING_FRAME_MAX || frame + length > end)
		return XDP_ABORTED;
	if (!starling_due(at))
		return XDP_DROP;

	clock = from->clock;
	kept = starling_next(at, clock);
	if (!kept->probe.ports) {
		at->given -= 1;
		at->withdrawn += 1;
		return XDP_DROP;
	}
	starling_write(frame, length, from, &kept->probe);
	if (kept->probe.network_sum == STARLING_RESET && length >= STARLING_RESET_SIZE) {
		starling_reset(frame);
		if (length > STARLING_RESET_SIZE)
			bpf_xdp_adjust_tail(context, (int)STARLING_RESET_SIZE - (int)length);
	} else if (clock && clock + 4 <= length) {
		*(__u32 *)(frame + clock) = kept->clock;
	}
	action = (int)bpf_redirect_map(&interface, 0, XDP_DROP);
	if (action != XDP_REDIRECT) {
		at->given -= 1;
		starling_again(at, at->given);
		at->gone += 1;
		at->hold = STARLING_PAUSE_MAX;
	}
	return action;
}

/* Sends the frame as it came: to find out, before any probe depends on it, whether the driver takes frames. */
SEC("xdp")
int starling_try(struct xdp_md *context)
{
	struct starling_ring *at = starling_ring();

	(void)context;
	if (at)
		at->given += 1;
	return (int)bpf_redirect_map(&interface, 0, XDP_DROP);
}

/* Run by hand: notes the thread for which the programs below are to count. */
SEC("raw_tp")
int starling_claim(void *context)
{
	struct starling_ring *at = starling_ring();

	(void)context;
	if (at)
		at->thread = bpf_get_current_pid_tgid();
	return 0;
}

/*
 * The driver was given frames, in the order in which they came: (from, to, sent, drops, error). What it does not take
 * are the last ones (ndo_xdp_xmit). The kernel knows the types of the arguments, so they are read without a helper's
 * help: this runs for every sixteen probes.
 */
SEC("tp_btf/xdp_devmap_xmit")
int starling_sent(const __u64 *arguments)
{
	struct starling_ring *at = starling_ring();
	__u32 sent = (__u32)arguments[2], refused = (__u32)arguments[3], number;

	if (!at || !starling_ours(at, (const struct net_device *)arguments[0]))
		return 0;
	at->sent += sent;
	at->refused += refused;
	at->known += sent;
	for (number = 0; number < STARLING_GIVEN_SIZE && number < refused; number++)
		starling_again(at, at->known + number);
	at->known += refused;
	starling_pause(at, refused);
	return 0;
}

/* The frame last given came to no driver: (from, program, to, error, type of map, map, index). */
SEC("tp_btf/xdp_redirect_err")
int starling_down(const __u64 *arguments)
{
	struct starling_ring *at = starling_ring();

	if (!at || !starling_ours(at, (const struct net_device *)arguments[0]))
		return 0;
	at->down += 1;
	at->given -= 1;
	starling_again(at, at->given);
	at->hold = STARLING_PAUSE_MAX;
	return 0;
}

/* For the kernel's eyes, which knows no other spelling; "MIT" is the half that we mean. */
char program_license[] SEC("license") = "Dual MIT/GPL";
