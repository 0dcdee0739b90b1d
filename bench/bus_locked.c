/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The B-tree behind a mutex, and behind a lock that readers share, as in Cloud
 * Hypervisor (which besides takes and drops a reference to what it finds, two
 * atomic operations or more: they are left out here, in its favour; and which
 * checks where an access begins, not where it ends).
 */
#include "bench/bus_btree.h"
#include "bench/bus_rivals.h"

#include <pthread.h>
#include <stdlib.h>

struct locked {
	pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
	struct btree tree;
};

static void *create(const struct bus_set *set)
{
	struct locked *l = calloc(1, sizeof(*l));

	(void)set;
	if (l && btree_init(&l->tree)) {
		free(l);
		return NULL;
	}
	if (l) {
		pthread_mutex_init(&l->mutex, NULL);
		pthread_rwlock_init(&l->rwlock, NULL);
	}
	return l;
}

static void destroy(void *s)
{
	struct locked *l = s;

	btree_fini(&l->tree);
	pthread_mutex_destroy(&l->mutex);
	pthread_rwlock_destroy(&l->rwlock);
	free(l);
}

static inline bool lookup_mutex(const void *s, uint64_t addr, unsigned int size,
				struct bus_answer *a)
{
	struct locked *l = (struct locked *)(uintptr_t)s;
	bool found;

	pthread_mutex_lock(&l->mutex);
	found = btree_lookup(&l->tree, addr, size, a);
	pthread_mutex_unlock(&l->mutex);
	return found;
}

static inline bool lookup_rwlock(const void *s, uint64_t addr,
				 unsigned int size, struct bus_answer *a)
{
	struct locked *l = (struct locked *)(uintptr_t)s;
	bool found;

	pthread_rwlock_rdlock(&l->rwlock);
	found = btree_lookup(&l->tree, addr, size, a);
	pthread_rwlock_unlock(&l->rwlock);
	return found;
}

static inline void many_mutex(const void *s, const uint64_t *addr,
			      unsigned int size, struct bus_answer *a)
{
	for (int i = 0; i < BUS_BATCH; i++)
		lookup_mutex(s, addr[i], size, &a[i]);
}

static inline void many_rwlock(const void *s, const uint64_t *addr,
			       unsigned int size, struct bus_answer *a)
{
	for (int i = 0; i < BUS_BATCH; i++)
		lookup_rwlock(s, addr[i], size, &a[i]);
}

BUS_LOOPS_OF(mutex, __attribute__((flatten)), lookup_mutex, many_mutex)
BUS_LOOPS_OF(rwlock, __attribute__((flatten)), lookup_rwlock, many_rwlock)

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	struct locked *l = s;

	return btree_build(&l->tree, r, n);
}

static int insert_mutex(void *s, struct bus_range *r)
{
	struct locked *l = s;
	int err;

	pthread_mutex_lock(&l->mutex);
	err = btree_insert(&l->tree, r);
	pthread_mutex_unlock(&l->mutex);
	return err;
}

static void remove_mutex(void *s, struct bus_range *r)
{
	struct locked *l = s;

	pthread_mutex_lock(&l->mutex);
	btree_remove(&l->tree, r);
	pthread_mutex_unlock(&l->mutex);
}

static int insert_rwlock(void *s, struct bus_range *r)
{
	struct locked *l = s;
	int err;

	pthread_rwlock_wrlock(&l->rwlock);
	err = btree_insert(&l->tree, r);
	pthread_rwlock_unlock(&l->rwlock);
	return err;
}

static void remove_rwlock(void *s, struct bus_range *r)
{
	struct locked *l = s;

	pthread_rwlock_wrlock(&l->rwlock);
	btree_remove(&l->tree, r);
	pthread_rwlock_unlock(&l->rwlock);
}

static size_t memory(const void *s)
{
	const struct locked *l = s;

	return btree_memory(&l->tree);
}

const struct bus_structure bus_mutex = {
	.name = "mutex",
	.max = UINT32_MAX,
	.max_changed = 4096,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert_mutex,
	.remove = remove_mutex,
	.memory = memory,
	BUS_LOOPS_NAMED(mutex),
};

const struct bus_structure bus_rwlock = {
	.name = "rwlock",
	.max = UINT32_MAX,
	.max_changed = 4096,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert_rwlock,
	.remove = remove_rwlock,
	.memory = memory,
	BUS_LOOPS_NAMED(rwlock),
};
