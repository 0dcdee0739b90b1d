/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue of an rng, or of a disk, which takes apart what it finds.
 */
#include "tests/fuzz/hostile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device_option option[] = { HOSTILE_OPTIONS,
						       { "backend", "ram" },
						       { "size", "4M" } };
	static const struct hostile_device rng = {
		.type = "rng",
		.option = option,
		.nr_options = ARRAY_SIZE(option) - 2,
	};
	static const struct hostile_device blk = {
		.type = "blk",
		.option = option,
		.nr_options = ARRAY_SIZE(option),
		.any_order = true,
	};

	hostile_story(size && data[0] & HOSTILE_DEVICE ? &blk : &rng, data,
		      size);
	return 0;
}
