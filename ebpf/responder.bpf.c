// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The lab's simulated Internet: answers the SYNs that arrive on its interface, in the driver. What a target
 * (address, port) does follows from a keyed hash and the rule of its port alone, so userspace knows what is
 * due without having seen a frame. No state but counters, and a bit a target if one wants to know who was
 * probed twice.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "responder.h"

#define INLINE static inline __attribute__((always_inline))
/* A function that the verifier goes through once, whatever calls it: for loops. */
#define ALONE __attribute__((noinline))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lab_world);
} world SEC(".maps");

struct lab_counters {
	__u64 of[LAB_COUNT_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lab_counters);
} counters SEC(".maps");

struct lab_page {
	__u64 words[LAB_PAGE_WORDS];
};

/* As many pages as the space needs, set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lab_page);
} seen SEC(".maps");

/* This interface, twice: a frame that is broadcast to the map leaves twice. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} twice SEC(".maps");

/* Filled in by the loader before the program is verified. */
const volatile struct lab_config config = {};

/* The names of the counters in their order, for the loader: the list is kept once. */
#define LAB_COUNT_NAME(name) #name " "
const char count_names[] SEC(".rodata.names") = LAB_COUNTS(LAB_COUNT_NAME);

/*
 * The headers of a frame. Separate, since the addresses of the later ones are not aligned as in a structure:
 * the kernel aligns what is behind the Ethernet header.
 */
struct segment {
	struct ethhdr *ethernet;
	struct iphdr *ip;
	struct tcphdr *tcp;
	const __u8 *end;
};

/* The second half of splitmix64: each bit of the result depends on each bit of the argument. */
INLINE __u64 mix(__u64 value)
{
	value ^= value >> 30;
	value *= 0xbf58476d1ce4e5b9ull;
	value ^= value >> 27;
	value *= 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

INLINE __u64 hash_of(__u32 address, __u16 port)
{
	return mix((address | (__u64)port << 32) + config.key);
}

INLINE __u32 draw_of(__u64 hash)
{
	return hash >> 33;
}

INLINE __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The part of a segment that an answer changes, as loaded from the wire. */
struct changing {
	__be32 sequence;
	__be32 acknowledgement;
	__be32 rest; /* data offset, flags, window */
};

/* The headers of the frame; whether they are all there. */
INLINE int headers(struct xdp_md *context, struct segment *segment)
{
	__u8 *data = (void *)(long)context->data;

	segment->ethernet = (void *)data;
	segment->ip = (void *)(data + sizeof(struct ethhdr));
	segment->tcp = (void *)(data + sizeof(struct ethhdr) + sizeof(struct iphdr));
	segment->end = (void *)(long)context->data_end;
	return (__u8 *)(segment->tcp + 1) <= segment->end;
}

/* Turns the frame round: who sent it gets it. The sums stay as they are. */
INLINE void turn(const struct segment *segment)
{
	__u8 mac[ETH_ALEN];
	__be32 address = segment->ip->saddr;
	__be16 port = segment->tcp->source;

	__builtin_memcpy(mac, segment->ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(segment->ethernet->h_source, segment->ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(segment->ethernet->h_dest, mac, ETH_ALEN);
	segment->ip->saddr = segment->ip->daddr;
	segment->ip->daddr = address;
	segment->tcp->source = segment->tcp->dest;
	segment->tcp->dest = port;
}

#define TCP_FLAGS(word) (bpf_ntohl(word) >> 16 & 0x3f)
#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define ACK 0x10u

/* Answers in place with the same length and options: `flags` and `window`, the checksum corrected by what changed. */
INLINE void reply(const struct segment *segment, __u32 sequence, __u32 acknowledgement, __u32 flags, __u32 window,
		  __u64 sum)
{
	struct changing *changing = (struct changing *)&segment->tcp->seq;
	struct changing old = *changing;
	struct changing new = {
		.sequence = bpf_htonl(sequence),
		.acknowledgement = bpf_htonl(acknowledgement),
		.rest = bpf_htonl((bpf_ntohl(old.rest) & 0xf0000000) | flags << 16 | window),
	};

	sum += (__u16)~segment->tcp->check;
	sum += (__u64)(__u32)~old.sequence + (__u32)~old.acknowledgement + (__u32)~old.rest;
	sum += (__u64)new.sequence + new.acknowledgement + new.rest;
	*changing = new;
	segment->tcp->check = ~fold(sum);
	turn(segment);
}

#define TIMESTAMPS 0x080a /* kind and length, RFC 7323 section 3.2 */
#define TIMESTAMPS_LENGTH 10
#define TCP_LONGEST 60

/*
 * Echoes the SYN's timestamp, if it has one, and returns what that does to the checksum. All stacks put it at an even
 * offset, so these are looked at and options are not followed one by one, which costs the verifier a state for each
 * way there (and takes an MSS of 2058 for a timestamp).
 */
ALONE __u64 echo_timestamp(struct xdp_md *context, __u32 clock)
{
	struct segment segment;
	__u32 length;

	if (!headers(context, &segment))
		return 0;
	length = segment.tcp->doff * 4;
	for (unsigned int offset = sizeof(struct tcphdr); offset + TIMESTAMPS_LENGTH <= TCP_LONGEST; offset += 2) {
		__be16 *halves = (__be16 *)((__u8 *)segment.tcp + offset);
		__u64 sum;

		if (offset + TIMESTAMPS_LENGTH > length || (__u8 *)halves + TIMESTAMPS_LENGTH > segment.end)
			return 0;
		if (halves[0] != bpf_htons(TIMESTAMPS))
			continue;
		/* TSecr becomes what TSval was, which so adds itself; TSval becomes our clock. */
		sum = (__u16)~halves[3] + (__u32)(__u16)~halves[4];
		halves[3] = halves[1];
		halves[4] = halves[2];
		halves[1] = bpf_htons(clock >> 16);
		halves[2] = bpf_htons(clock & 0xffff);
		return sum + halves[1] + halves[2];
	}
	return 0;
}

INLINE void syn_ack(struct xdp_md *context, const struct segment *segment, __u64 hash)
{
	__u64 sum = 0;

	if (segment->tcp->doff * 4 >= sizeof(struct tcphdr) + TIMESTAMPS_LENGTH)
		sum = echo_timestamp(context, hash >> 16);
	reply(segment, (__u32)hash, bpf_ntohl(segment->tcp->seq) + 1, SYN | ACK, 65535, sum);
}

/* RFC 792; <linux/icmp.h> draws in the C library. */
struct icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 unused;
};
#define ICMP_UNREACHABLE 3
#define ICMP_HOST 1

#define ICMP_QUOTED 8 /* bytes of what did not arrive */

/* Answers with "host unreachable" from the router, quoting the header and eight bytes. */
ALONE int unreachable(struct xdp_md *context)
{
	const int grow = sizeof(struct iphdr) + sizeof(struct icmp);
	const int length = sizeof(struct ethhdr) + grow + sizeof(struct iphdr) + ICMP_QUOTED;
	struct iphdr *ip, *quoted;
	struct ethhdr ethernet;
	struct segment segment;
	struct icmp *icmp;
	__u64 sum = 0;
	__u8 *data;

	if (!headers(context, &segment))
		return XDP_ABORTED;
	ethernet = *segment.ethernet;
	if (bpf_xdp_adjust_head(context, -grow) ||
	    bpf_xdp_adjust_tail(context, length - (int)(context->data_end - context->data)))
		return XDP_ABORTED;
	data = (void *)(long)context->data;
	if (data + length > (__u8 *)(long)context->data_end)
		return XDP_ABORTED;
	ip = (void *)(data + sizeof(struct ethhdr));
	icmp = (void *)(ip + 1);
	quoted = (void *)(icmp + 1);

	__builtin_memcpy(data, ethernet.h_source, ETH_ALEN);
	__builtin_memcpy(data + ETH_ALEN, ethernet.h_dest, ETH_ALEN);
	*(__be16 *)(data + 2 * ETH_ALEN) = ethernet.h_proto;
	*ip = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_ICMP,
		.tot_len = bpf_htons(length - sizeof(struct ethhdr)),
		.saddr = bpf_htonl(config.router), .daddr = quoted->saddr,
	};
	for (unsigned int word = 0; word < sizeof(*ip) / 4; word++)
		sum += ((__be32 *)ip)[word];
	ip->check = ~fold(sum);

	*icmp = (struct icmp){ .type = ICMP_UNREACHABLE, .code = ICMP_HOST };
	sum = 0;
	for (unsigned int word = 0; word < (sizeof(*icmp) + sizeof(*quoted) + ICMP_QUOTED) / 4; word++)
		sum += ((__be32 *)icmp)[word];
	icmp->checksum = ~fold(sum);
	return XDP_TX;
}

/* Whether a host would take the segment: both sums are right. Segments longer than `LONGEST` are trusted. */
#define LONGEST 64
ALONE int sums_are_right(struct xdp_md *context)
{
	struct segment segment;
	const __be16 *half;
	__u32 length;
	__u64 sum = 0;

	if (!headers(context, &segment))
		return 0;
	half = (const __be16 *)segment.ip;
	for (unsigned int index = 0; index < sizeof(struct iphdr) / 2; index++)
		sum += half[index];
	if (fold(sum) != 0xffff)
		return 0;
	length = bpf_ntohs(segment.ip->tot_len) - sizeof(struct iphdr);
	if (length > LONGEST)
		return 1;

	sum = (__u64)segment.ip->saddr + segment.ip->daddr + bpf_htons(IPPROTO_TCP) + bpf_htons(length);
	half = (const __be16 *)segment.tcp;
	for (unsigned int index = 0; index < LONGEST / 2; index++) {
		if (index * 2 + 1 >= length || (const __u8 *)(half + index + 1) > segment.end)
			break;
		sum += half[index];
	}
	if (length & 1) {
		const __u8 *last = (const __u8 *)segment.tcp + (length & (LONGEST - 1)) - 1;

		if (last < (const __u8 *)segment.tcp || last + 1 > segment.end)
			return 0;
		sum += *last; /* padded with a zero behind it: the low half on the wire */
	}
	return fold(sum) == 0xffff;
}

/* Notes the SYN; whether the target had one before. */
ALONE int seen_before(__u32 address, __u16 rank)
{
	__u64 bit = rank * ((__u64)config.last - config.first + 1) + (address - config.first);
	__u32 number = bit >> LAB_PAGE_BITS_LOG2;
	struct lab_page *page = bpf_map_lookup_elem(&seen, &number);
	__u64 mask = 1ull << (bit & 63);

	if (!page)
		return 0;
	return (__sync_fetch_and_or(&page->words[bit >> 6 & (LAB_PAGE_WORDS - 1)], mask) & mask) != 0;
}

#define COUNT(name) (counts->of[LAB_COUNT_##name]++)

INLINE int answer_syn(struct xdp_md *context, const struct segment *segment, const struct lab_world *lab,
		      struct lab_counters *counts)
{
	__u32 address = bpf_ntohl(segment->ip->daddr);
	__u16 port = bpf_ntohs(segment->tcp->dest);
	const struct lab_port *of_port = &lab->ports[port];
	const struct lab_rule *rule = &lab->rules[of_port->rule & (LAB_RULES - 1)];
	__u64 hash = hash_of(address, port);
	__u32 draw = draw_of(hash);

	COUNT(syn);
	if (address < config.first || address > config.last || of_port->rank == LAB_NOWHERE) {
		COUNT(syn_elsewhere);
		return XDP_DROP;
	}
	counts->of[LAB_COUNT_hash_sum] += hash;
	if (config.flags & LAB_REMEMBER && seen_before(address, of_port->rank))
		COUNT(syn_again);
	if (rule->loss) {
		__u64 ports = *(__u32 *)&segment->tcp->source;
		__u64 lottery = mix(hash + (ports << 32 | segment->tcp->seq));

		if (draw_of(mix(lottery + segment->ip->id)) < rule->loss) {
			COUNT(lost);
			return XDP_DROP;
		}
	}
	if (draw >= rule->syn_ack_only) {
		COUNT(silent);
		return XDP_DROP;
	}
	if (draw >= rule->rst && draw < rule->icmp) {
		int action = unreachable(context);

		COUNT(icmp);
		if (action != XDP_TX)
			COUNT(failed);
		return action;
	}
	if (draw >= rule->syn_ack && draw < rule->rst) {
		COUNT(rst);
		reply(segment, 0, bpf_ntohl(segment->tcp->seq) + 1, RST | ACK, 0, 0);
		return XDP_TX;
	}
	if (draw < rule->syn_ack)
		COUNT(syn_ack);
	else
		COUNT(syn_ack_only);
	syn_ack(context, segment, hash);
	if (rule->duplicate && draw_of(mix(hash)) < rule->duplicate) {
		COUNT(duplicated);
		return bpf_redirect_map(&twice, 0, BPF_F_BROADCAST);
	}
	return XDP_TX;
}

/* A segment on what the scanner may take for a connection. */
INLINE int answer_segment(const struct segment *segment, const struct lab_world *lab, struct lab_counters *counts)
{
	__u16 port = bpf_ntohs(segment->tcp->dest);
	const struct lab_rule *rule = &lab->rules[lab->ports[port].rule & (LAB_RULES - 1)];
	__u32 draw = draw_of(hash_of(bpf_ntohl(segment->ip->daddr), port));

	if (segment->tcp->rst) {
		COUNT(rst_received);
	} else if (draw < rule->syn_ack && segment->tcp->ack) {
		COUNT(segment_reset);
		reply(segment, bpf_ntohl(segment->tcp->ack_seq), 0, RST, 0, 0);
		return XDP_TX;
	} else if (draw >= rule->icmp && draw < rule->syn_ack_only) {
		COUNT(segment_ignored);
	} else {
		COUNT(segment_stray);
	}
	return XDP_DROP;
}

SEC("xdp")
int respond(struct xdp_md *context)
{
	struct segment segment;
	int whole = headers(context, &segment);
	__u32 zero = 0;
	struct lab_counters *counts = bpf_map_lookup_elem(&counters, &zero);
	const struct lab_world *lab = bpf_map_lookup_elem(&world, &zero);
	__u32 length;

	if (!counts || !lab)
		return XDP_ABORTED;
	COUNT(frames);
	if ((__u8 *)segment.ip > segment.end || segment.ethernet->h_proto != bpf_htons(ETH_P_IP)) {
		COUNT(not_ipv4);
		return XDP_PASS;
	}
	if ((__u8 *)segment.tcp > segment.end) {
		COUNT(malformed);
		return XDP_DROP;
	}
	if (segment.ip->protocol != IPPROTO_TCP) {
		COUNT(not_tcp);
		return XDP_DROP;
	}
	length = bpf_ntohs(segment.ip->tot_len) - sizeof(struct iphdr);
	if (!whole || segment.ip->version != 4 || segment.ip->ihl != 5 ||
	    segment.ip->frag_off & bpf_htons(0x3fff) || length < sizeof(struct tcphdr) || length > 65535 ||
	    (__u8 *)segment.tcp + length > segment.end || segment.tcp->doff < 5 ||
	    segment.tcp->doff * 4u > length) {
		COUNT(malformed);
		return XDP_DROP;
	}
	if (config.flags & LAB_VERIFY && !sums_are_right(context)) {
		COUNT(bad_checksum);
		return XDP_DROP;
	}
	if (segment.tcp->syn && !segment.tcp->ack && !segment.tcp->rst)
		return answer_syn(context, &segment, lab, counts);
	return answer_segment(&segment, lab, counts);
}

/* For the scanner's end of the pair, if its program has none: a veth takes XDP_TX frames in only if it has one. */
SEC("xdp")
int pass(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

/* For the kernel's eyes, which knows no other spelling; "MIT" is the half that we mean. */
char program_license[] SEC("license") = "Dual MIT/GPL";
