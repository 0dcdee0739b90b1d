/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A console's queues, each in turn: what a file without end says, what goes to
 * one, and with several ports the control messages of either way.
 */
#include "tests/fuzz/hostile.h"
#include "transport/devices/console_device.h"
#include "transport/devices/uring.h"

/* virtio 1.2, 5.3.6.2, with all that a driver may say, and more. */
static uint32_t say(uint8_t *to, const uint8_t p[5])
{
	store_le(to, 4, p[1] & 3);
	store_le(to + 4, 2, p[2] & 7);
	store_le(to + 6, 2, p[3] & 1);
	return 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The byte before the story says which queue. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device_option option[] = {
		HOSTILE_OPTIONS,
		{ "port0", "file:/dev/null,input=/dev/zero" },
		{ "port1", "file:/dev/null,input=/dev/null,name=log" },
	};
	struct hostile_device console = {
		.type = "console",
		.option = option,
		.nr_options = ARRAY_SIZE(option),
		.turn = uring_turn,
		.holds = true,
	};

	if (!size)
		return 0;
	console.queue = data[0] & 3;
	if (console.queue >= CONSOLE_CONTROL_RX)
		console.features = BIT_ULL(CONSOLE_F_MULTIPORT);
	if (console.queue == CONSOLE_CONTROL_RX) {
		console.say = say;
		console.other = CONSOLE_CONTROL_TX;
	}
	hostile_story(&console, data + 1, size - 1);
	return 0;
}
