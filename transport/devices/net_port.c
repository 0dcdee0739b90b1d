/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: what stands before the colon is looked up in a table.
 *
 * A pool has mbufs for what can be under way at once: descriptors of drivers
 * and what waits in rings for each pair, and large frames, of which one is 33
 * mbufs, once for all.
 */
#include "transport/devices/net_port_kind.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define MBUFS_A_PORT 1024u
#define MBUFS_A_PAIR 1024u
#define MBUFS_CACHE  128u /* of each core; twice that can lie in one */

static const struct kind {
	const char *name;
	int (*open)(const struct net_port_ask *ask, struct net_port **out);
} kinds[] = {
	{ "null", net_port_null_open },
	{ "switch", net_port_switch_open },
	{ "ethdev", net_port_ethdev_open },
};

int net_port_refuse(const struct net_port_ask *ask, int err, const char *fmt,
		    ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ask->error, ask->room, fmt, args);
	va_end(args);
	return err;
}

static const struct kind *find_kind(const char *spec)
{
	const size_t n = strcspn(spec, ":");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(kinds[i].name, spec, n) && !kinds[i].name[n])
			return &kinds[i];
	return NULL;
}

int net_port_check(const char *spec, char *error, size_t room)
{
	if (find_kind(spec))
		return 0;
	snprintf(error, room,
		 "there is no port \"%s\"; it is null, null:SIZE, "
		 "switch:NAME, ethdev:NAME or ethdev:NAME,ARGS",
		 spec);
	return -EINVAL;
}

int net_port_open(const char *spec, uint16_t pairs, struct net_port **out,
		  char *error, size_t room)
{
	const size_t n = strcspn(spec, ":");
	const struct net_port_ask ask = {
		.args = spec[n] ? spec + n + 1 : "",
		.pairs = pairs,
		.error = error,
		.room = room,
	};

	assert(pairs && pairs <= NET_MAX_PAIRS);
	if (net_port_check(spec, error, room))
		return -EINVAL;
	return find_kind(spec)->open(&ask, out);
}

/* ---- Pools ----------------------------------------------------------------- */

struct pool {
	struct pool *next;
	struct rte_mempool *mbufs; /* owned */
	const void *group;
	uint32_t size;
	bool used;
};

static struct pool *pools; /* control's */

static int no_memory(const struct net_port_ask *ask, uint32_t size, int err)
{
	if (err == EEXIST || err == ENAMETOOLONG || err == EINVAL)
		return net_port_refuse(ask, -err,
				       "a pool of frames cannot be "
				       "made: %s",
				       rte_strerror(err));
	return net_port_refuse(
		ask, -ENOMEM,
		"the EAL has no %u MiB for the frames of %u queue pairs: give "
		"it more, as with `pciringd ... -- --no-huge -m 512', or with "
		"`-- -m 512' of huge pages",
		(unsigned int)((uint64_t)size * 2432 >> 20) + 1, ask->pairs);
}

/* NULL, and the error in @err. */
static struct pool *make_pool(const struct net_port_ask *ask, uint32_t size,
			      int socket, int *err)
{
	static unsigned int serial;
	char name[RTE_MEMPOOL_NAMESIZE];
	struct pool *p = calloc(1, sizeof(*p));

	if (!p) {
		*err = no_memory(ask, size, ENOMEM);
		return NULL;
	}
	snprintf(name, sizeof(name), "net_port_%u", serial++);
	p->mbufs = rte_pktmbuf_pool_create(name, size, MBUFS_CACHE, 0,
					   RTE_MBUF_DEFAULT_BUF_SIZE, socket);
	if (!p->mbufs) {
		*err = no_memory(ask, size, rte_errno);
		free(p);
		return NULL;
	}
	p->size = size;
	p->next = pools;
	pools = p;
	return p;
}

int net_pool_get(const struct net_port_ask *ask, int socket, const void *group,
		 struct rte_mempool **out)
{
	const uint32_t size = MBUFS_A_PORT + MBUFS_A_PAIR * ask->pairs;
	struct pool *p;
	int err = 0;

	for (p = pools; p; p = p->next)
		if (group && p->group == group && !p->used && p->size >= size)
			break;
	if (!p)
		p = make_pool(ask, size, socket, &err);
	if (!p)
		return err;
	p->group = group;
	p->used = true;
	*out = p->mbufs;
	return 0;
}

static void free_pool(struct pool **link)
{
	struct pool *p = *link;

	*link = p->next;
	rte_mempool_free(p->mbufs);
	free(p);
}

void net_pool_put(struct rte_mempool *mbufs)
{
	struct pool **link = &pools;

	while ((*link)->mbufs != mbufs)
		link = &(*link)->next;
	(*link)->used = false;
	if (!(*link)->group && rte_mempool_full(mbufs))
		free_pool(link);
}

void net_pool_end_group(const void *group)
{
	struct pool **link = &pools;

	while (*link) {
		if ((*link)->group == group) {
			assert(!(*link)->used);
			free_pool(link);
		} else {
			link = &(*link)->next;
		}
	}
}
