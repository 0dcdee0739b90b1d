/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A NIC's queues, each in turn: frames that come in without end, with and
 * without buffers that may be merged; frames that go out; commands.
 */
#include "tests/fuzz/hostile.h"
#include "transport/devices/net_ctrl.h"
#include "transport/devices/test_eal.h"

#define RX   0
#define TX   1
#define CTRL 2

#define OFFLOADS                                                               \
	(BIT_ULL(NET_F_CSUM) | BIT_ULL(NET_F_GUEST_CSUM) |                     \
	 BIT_ULL(NET_F_HOST_TSO4) | BIT_ULL(NET_F_HOST_ECN))
#define COMMANDS                                                               \
	(BIT_ULL(NET_F_CTRL_VQ) | BIT_ULL(NET_F_CTRL_RX) |                     \
	 BIT_ULL(NET_F_CTRL_RX_EXTRA) | BIT_ULL(NET_F_CTRL_VLAN) |             \
	 BIT_ULL(NET_F_CTRL_MAC_ADDR) | BIT_ULL(NET_F_NOTF_COAL) |             \
	 BIT_ULL(NET_F_CTRL_GUEST_OFFLOADS))

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void leave_nothing(void)
{
	test_eal_end(NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(test_eal_start(NULL) == 0);
	must(atexit(leave_nothing) == 0);
	return 0;
}

/* The byte before the story says which queue. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device_option option[] = { HOSTILE_OPTIONS,
						       { "port", "null:600" } };
	struct hostile_device net = {
		.type = "net",
		.option = option,
		.nr_options = ARRAY_SIZE(option),
		.features = OFFLOADS,
		.holds = true,
	};

	if (!size)
		return 0;
	switch (data[0] & 3) {
	case RX:
		net.queue = RX;
		break;
	case TX:
		net.queue = TX;
		break;
	case CTRL:
		net.queue = CTRL;
		net.features |= COMMANDS;
		break;
	default:
		net.queue = RX;
		net.features |= BIT_ULL(NET_F_MRG_RXBUF);
		break;
	}
	/* Frames for which no buffer is large enough are dropped for ever. */
	net.endless = net.queue == RX;
	hostile_story(&net, data + 1, size - 1);
	return 0;
}
