// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The XDP program: asks verdict.h, counts the reason, carries the verdict out. Answers to our probes
 * reach the AF_XDP socket of the queue they came in on; the host keeps everything else.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "verdict.h"

/* AF_XDP socket of each receive queue. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* Frames by enum starling_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STARLING_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Filled in by the loader before the program is verified. */
const volatile struct starling_config config = {};

SEC("xdp")
int starling(struct xdp_md *context)
{
	const struct starling_config *loaded = (const struct starling_config *)&config;
	const __u8 *data = (const __u8 *)(long)context->data;
	const __u8 *end = (const __u8 *)(long)context->data_end;
	enum starling_verdict verdict;
	enum starling_reason reason;
	int action = XDP_DROP;
	__u32 index;
	__u64 *count;

	/* Hides from the compiler where the pointer comes from: it must not fold the zeros above. */
	asm volatile("" : "+r"(loaded));

	verdict = starling_judge(data, end, loaded, &reason);
	if (verdict == STARLING_VERDICT_PASS) {
		action = XDP_PASS;
	} else if (verdict == STARLING_VERDICT_UP) {
		action = (int)bpf_redirect_map(&xsks, context->rx_queue_index, XDP_DROP);
		if (action != XDP_REDIRECT)
			reason = STARLING_DROP_NO_SOCKET;
	}

	index = reason;
	count = bpf_map_lookup_elem(&counters, &index);
	if (count)
		*count += 1; /* this CPU's own */
	return action;
}

/* For the kernel's eyes, which knows no other spelling; "MIT" is the half that we mean. */
char program_license[] SEC("license") = "Dual MIT/GPL";
