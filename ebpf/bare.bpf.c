// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The least that sends live frames: a constant SYN but for its address, no bookkeeping. What a scanner can reach on this
 * machine at best, to hold live.bpf.c against.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FRAME 60u

/* Filled in by the loader. */
const volatile struct {
	__u8 frame[FRAME + 4]; /* to whole words */
	__u32 address;	       /* first one, in host order */
	__u32 mask;	       /* of the addresses from there: one less than a power of two */
} template = {};

__u32 next = 0;

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} interface SEC(".maps");

SEC("xdp")
int bare_send(struct xdp_md *context)
{
	const volatile void *from = &template;
	__u8 *frame = (__u8 *)(long)context->data;
	const __u8 *end = (const __u8 *)(long)context->data_end;
	__u32 offset;

	/* Hides from the compiler where the pointer comes from: it must not fold the zeros above. */
	asm volatile("" : "+r"(from));
	if (frame + FRAME > end)
		return XDP_ABORTED;
#pragma clang loop unroll(full)
	for (offset = 0; offset + 8 <= FRAME; offset += 8)
		*(__u64 *)(frame + offset) = *(const volatile __u64 *)((const volatile __u8 *)from + offset);
	*(__u32 *)(frame + 56) = *(const volatile __u32 *)((const volatile __u8 *)from + 56);
	*(__u32 *)(frame + 30) = __builtin_bswap32(template.address + (next++ & template.mask));
	return (int)bpf_redirect_map(&interface, 0, XDP_DROP);
}

/* For the sender's interface: what comes back is of no use to anybody. */
SEC("xdp")
int bare_drop(struct xdp_md *context)
{
	(void)context;
	return XDP_DROP;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
