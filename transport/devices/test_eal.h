/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_eal.h - the EAL for tests of what uses mbufs
 *
 * Ordinary memory, no PCI, no telemetry, and nothing left behind.  As cmocka's
 * group setup and teardown; once a process.
 *
 * Pools keep their mbufs in a ring that is compiled here: a thread checker
 * cannot see that DPDK's own put happens before its get.
 */
#ifndef TRANSPORT_DEVICES_TEST_EAL_H
#define TRANSPORT_DEVICES_TEST_EAL_H

#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "ring/base.h"

static inline int test_pool_alloc(struct rte_mempool *mp)
{
	const unsigned int n = rte_align32pow2(mp->size + 1);
	const size_t size = (size_t)rte_ring_get_memsize(n);

	/* The EAL's, as the mbufs are: some pools stay until its end. */
	mp->pool_data = rte_zmalloc("test", size, 64);
	return mp->pool_data ? rte_ring_init(mp->pool_data, "test", n, 0)
			     : -ENOMEM;
}

static inline void test_pool_free(struct rte_mempool *mp)
{
	rte_free(mp->pool_data);
}

static inline int test_pool_put(struct rte_mempool *mp, void *const *m,
				unsigned int n)
{
	return rte_ring_mp_enqueue_bulk(mp->pool_data, m, n, NULL) ? 0
								   : -ENOBUFS;
}

static inline int test_pool_get(struct rte_mempool *mp, void **m,
				unsigned int n)
{
	return rte_ring_mc_dequeue_bulk(mp->pool_data, m, n, NULL) ? 0
								   : -ENOBUFS;
}

static inline unsigned int test_pool_count(const struct rte_mempool *mp)
{
	return rte_ring_count(mp->pool_data);
}

static inline int test_eal_start(void **state)
{
	static const struct rte_mempool_ops ops = {
		.name = "test",
		.alloc = test_pool_alloc,
		.free = test_pool_free,
		.enqueue = test_pool_put,
		.dequeue = test_pool_get,
		.get_count = test_pool_count,
	};
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
			 "--log-level=critical",
			 "--mbuf-pool-ops-name=test" };

	(void)state;
	snprintf(prefix, sizeof(prefix), "pciring-test-%d", getpid());
	if (rte_mempool_register_ops(&ops) < 0)
		return 1;
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
