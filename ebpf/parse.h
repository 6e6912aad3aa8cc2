/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A bounds-checked cursor over a frame, and loads from the bytes it gives out. Written so that the
 * kernel's verifier can follow it (every pointer compared with the frame's end before it is read)
 * and so that the same lines are defined C on a host (no misaligned access).
 */
#ifndef STARLING_PARSE_H
#define STARLING_PARSE_H

#include <linux/types.h>

#define STARLING_INLINE static inline __attribute__((always_inline))

struct starling_cursor {
	const __u8 *at;
	const __u8 *end;
};

/* The next `count` bytes, or null when the frame ends before them; the cursor moves behind them. */
STARLING_INLINE const __u8 *starling_take(struct starling_cursor *cursor, __u32 count)
{
	const __u8 *taken = cursor->at;

	if (taken + count > cursor->end)
		return 0;
	cursor->at = taken + count;
	return taken;
}

/*
 * Raw loads, in wire order. For BPF a plain load: one instruction, and the headers are aligned as the
 * kernel expects them (the verifier checks that where it matters); clang would turn a memcpy into
 * single bytes.
 */
STARLING_INLINE __u16 starling_load16(const __u8 *at)
{
#ifdef __bpf__
	return *(const __u16 *)at;
#else
	__u16 value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
#endif
}

STARLING_INLINE __u32 starling_load32(const __u8 *at)
{
#ifdef __bpf__
	return *(const __u32 *)at;
#else
	__u32 value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
#endif
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STARLING_BE16(value) __builtin_bswap16(value)
#define STARLING_BE32(value) __builtin_bswap32(value)
#define STARLING_LE16(value) ((__u16)(value))
#define STARLING_LE32(value) ((__u32)(value))
#else
#define STARLING_BE16(value) ((__u16)(value))
#define STARLING_BE32(value) ((__u32)(value))
#define STARLING_LE16(value) __builtin_bswap16(value)
#define STARLING_LE32(value) __builtin_bswap32(value)
#endif

#endif
