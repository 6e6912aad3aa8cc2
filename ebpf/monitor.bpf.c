// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The monitor's programs: one for frames that arrive (XDP), one for those that leave (tc, which XDP does not see). They
 * ask watch.h, copy what it wants into the ring of the connection's lane, and let every frame go on. Both directions of a
 * connection come to one ring, in their order, whatever queue and CPU they were on.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "watch.h"

/* The ring of each lane, made by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, STARLING_WATCH_LANES);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_RINGBUF);
		__uint(max_entries, 1 << 16);
	});
} rings SEC(".maps");

/* Connections that are not handed up. The one that was silent longest makes room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 18);
	__type(key, struct starling_flow);
	__type(value, struct starling_shunt);
} shunts SEC(".maps");

/* Frames by enum starling_watch_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STARLING_WATCH_REASONS);
	__type(key, __u32);
	__type(value, struct starling_watch_count);
} counts SEC(".maps");

/* Filled in by the loader before the programs are verified. */
const volatile struct starling_watch_config config = {};

/* Room for frames of each class in a ring: what is reserved must be known when the program is loaded. */
#define HEAD ((__u32)sizeof(struct starling_seen))
#define SMALL 112u /* an acknowledgement with options and tags */
#define MIDDLE 496u
#define FULL 1648u /* the usual MTU, with tags */
#define LARGE 16368u

/* Copies a frame into `ring`; `room` is a constant, at least what is wanted. Says whether there was room. */
STARLING_INLINE int copy(void *context, int arriving, void *ring, __u32 room, __u64 now, __u32 length)
{
	struct starling_seen *seen = bpf_ringbuf_reserve(ring, HEAD + room, 0);
	__u32 captured = length;
	long failed;

	if (!seen)
		return 0;
	/* So that the verifier sees the bounds of the very register that it checks. */
	asm volatile("" : "+r"(captured));
	if (captured > room)
		captured = room;
	asm volatile("" : "+r"(captured));
	if (captured < 14 || captured > room) {
		bpf_ringbuf_discard(seen, BPF_RB_NO_WAKEUP);
		return 0;
	}
	seen->time = now;
	seen->length = length;
	seen->captured = captured;
	if (arriving)
		failed = bpf_xdp_load_bytes(context, 0, seen + 1, captured);
	else
		failed = bpf_skb_load_bytes(context, 0, seen + 1, captured);
	if (failed)
		seen->captured = 0;
	/* Who reads looks by itself, so that no interrupt is needed for each frame. */
	bpf_ringbuf_submit(seen, BPF_RB_NO_WAKEUP);
	return 1;
}

/* Whether a segment is of a connection that is not handed up. */
STARLING_INLINE int shunted(const struct starling_segment *segment, __u64 now)
{
	struct starling_shunt *shunt = bpf_map_lookup_elem(&shunts, &segment->flow);
	__u32 flags = segment->flags;

	if (!shunt)
		return 0;
	if ((flags & (WATCH_TCP_SYN | WATCH_TCP_ACK)) == WATCH_TCP_SYN || now > shunt->until) {
		bpf_map_delete_elem(&shunts, &segment->flow);
		return 0;
	}
	if (flags & WATCH_TCP_FIN)
		shunt->fins |= 1u << (segment->side & 1);
	if (!shunt->closed && ((flags & WATCH_TCP_RST) || shunt->fins == 3)) {
		shunt->closed = 1;
		shunt->until = now + STARLING_SHUNT_LINGER;
	} else if (!shunt->closed && shunt->until - now < STARLING_SHUNT_SILENCE - 1000000000ull) {
		/* At most once a second, for the sake of the other CPUs' caches. */
		shunt->until = now + STARLING_SHUNT_SILENCE;
	}
	return 1;
}

STARLING_INLINE enum starling_watch_reason hand_up(void *context, int arriving, const struct starling_flow *flow,
						   __u32 lanes, __u64 now, __u32 length)
{
	__u32 lane = starling_lane_of(flow, lanes);
	void *ring = bpf_map_lookup_elem(&rings, &lane);
	int taken;

	if (!ring)
		return STARLING_WATCH_RING_FULL;
	if (length <= SMALL)
		taken = copy(context, arriving, ring, SMALL, now, length);
	else if (length <= MIDDLE)
		taken = copy(context, arriving, ring, MIDDLE, now, length);
	else if (length <= FULL)
		taken = copy(context, arriving, ring, FULL, now, length);
	else if (length <= LARGE)
		taken = copy(context, arriving, ring, LARGE, now, length);
	else
		taken = copy(context, arriving, ring, STARLING_WATCH_CAPTURED, now, length);
	return taken ? STARLING_WATCH_UP : STARLING_WATCH_RING_FULL;
}

/* Hides from the compiler where the pointer comes from: it must not fold the zeros above. */
STARLING_INLINE const struct starling_watch_config *loaded(void)
{
	const struct starling_watch_config *at = (const struct starling_watch_config *)&config;

	asm volatile("" : "+r"(at));
	return at;
}

/* Hands a frame up that is wanted, and counts it. */
STARLING_INLINE void settle(void *context, int arriving, enum starling_watch_reason reason,
			    const struct starling_segment *segment, __u32 length)
{
	struct starling_watch_count *count;
	__u32 index;

	if (reason == STARLING_WATCH_UP) {
		__u64 now = bpf_ktime_get_ns();

		reason = shunted(segment, now) ?
				 STARLING_WATCH_SHUNTED :
				 hand_up(context, arriving, &segment->flow, loaded()->lanes, now, length);
	}
	index = reason;
	count = bpf_map_lookup_elem(&counts, &index);
	if (count) {
		count->frames += 1; /* this CPU's own */
		count->bytes += length;
	}
}

SEC("xdp.frags")
int arriving(struct xdp_md *context)
{
	const __u8 *data = (const __u8 *)(long)context->data;
	const __u8 *end = (const __u8 *)(long)context->data_end;
	__u32 length = bpf_xdp_get_buff_len(context);
	struct starling_segment segment = {};

	settle(context, 1, starling_watch(data, end, length, loaded(), &segment), &segment, length);
	return loaded()->flags & STARLING_WATCH_MIRROR ? XDP_DROP : XDP_PASS;
}

/* Bytes of a frame in which its headers are expected. */
#define HEADERS 192u

SEC("classifier")
int leaving(struct __sk_buff *context)
{
	const __u8 *data = (const __u8 *)(long)context->data;
	const __u8 *end = (const __u8 *)(long)context->data_end;
	__u32 length = context->len;
	struct starling_segment segment = {};
	enum starling_watch_reason reason = starling_watch(data, end, length, loaded(), &segment);

	/* What is forwarded may have its headers elsewhere. */
	if (reason == STARLING_WATCH_CUT && data + HEADERS > end && end - data < length &&
	    !bpf_skb_pull_data(context, length < HEADERS ? length : HEADERS)) {
		data = (const __u8 *)(long)context->data;
		end = (const __u8 *)(long)context->data_end;
		reason = starling_watch(data, end, length, loaded(), &segment);
	}
	settle(context, 0, reason, &segment, length);
	return -1; /* TCX_NEXT: as if we were not there */
}

/* For the kernel's eyes, which knows no other spelling; "MIT" is the half that we mean. */
char program_license[] SEC("license") = "Dual MIT/GPL";
