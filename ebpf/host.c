// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * verdict.h compiled for the host, for the tests and the simulator; and the header's facts, by name,
 * for the test that compares them with src/nic/contract.rs.
 */
#include <stddef.h>
#include <stdint.h>

#include "verdict.h"

int starling_host_verdict(const uint8_t *data, uint32_t len, const struct starling_config *config,
			  uint32_t *reason)
{
	enum starling_reason why;
	enum starling_verdict verdict = starling_judge(data, data + len, config, &why);

	*reason = why;
	return verdict;
}

struct starling_host_fact {
	const char *name;
	uint64_t value;
};

#define FACT(value) { #value, value }

static const struct starling_host_fact facts[] = {
	FACT(sizeof(struct starling_config)),
	FACT(_Alignof(struct starling_config)),
	FACT(offsetof(struct starling_config, key)),
	FACT(offsetof(struct starling_config, address)),
	FACT(offsetof(struct starling_config, port_first)),
	FACT(offsetof(struct starling_config, port_last)),
	FACT(offsetof(struct starling_config, flags)),
	FACT(offsetof(struct starling_config, reserved)),
	FACT(STARLING_FORWARD_CLOSED),
	FACT(STARLING_FORWARD_ICMP),
	FACT(STARLING_ACK_WINDOW),
	FACT(STARLING_VERDICT_PASS),
	FACT(STARLING_VERDICT_UP),
	FACT(STARLING_VERDICT_DROP),
	FACT(STARLING_PASS_OTHER),
	FACT(STARLING_PASS_FRAGMENT),
	FACT(STARLING_PASS_NOT_OURS),
	FACT(STARLING_UP_SYN_ACK),
	FACT(STARLING_UP_SEGMENT),
	FACT(STARLING_UP_CLOSED),
	FACT(STARLING_UP_ICMP),
	FACT(STARLING_DROP_CLOSED),
	FACT(STARLING_DROP_ICMP),
	FACT(STARLING_DROP_BAD_COOKIE),
	FACT(STARLING_DROP_BAD_SEGMENT),
	FACT(STARLING_DROP_NO_SOCKET),
	FACT(STARLING_REASONS),
};

/* The fact at `index`, null behind the last. */
const struct starling_host_fact *starling_host_fact(uint32_t index)
{
	return index < sizeof(facts) / sizeof(facts[0]) ? &facts[index] : 0;
}
