/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_eal.h - the EAL for tests of what uses mbufs
 *
 * Ordinary memory, no PCI, no telemetry, and nothing left behind.  As cmocka's
 * group setup and teardown; once a process.
 */
#ifndef TRANSPORT_DEVICES_TEST_EAL_H
#define TRANSPORT_DEVICES_TEST_EAL_H

#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>

#include "ring/base.h"

static inline int test_eal_start(void **state)
{
	char prefix[32];
	char *argv[] = { "test",
			 "--no-pci",
			 "--no-huge",
			 "-m",
			 "128",
			 "--no-shconf",
			 "-l",
			 "0",
			 "--no-telemetry",
			 "--file-prefix",
			 prefix,
			 "--log-level=error" };

	(void)state;
	snprintf(prefix, sizeof(prefix), "pciring-test-%d", getpid());
	return rte_eal_init((int)ARRAY_SIZE(argv), argv) < 0;
}

static inline int test_eal_end(void **state)
{
	char dir[256];

	(void)state;
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	/* Not there if telemetry was all that would have used it. */
	return rmdir(dir) && errno != ENOENT;
}

#endif
