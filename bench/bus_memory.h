/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_memory.h - the same kind of memory for every structure that is measured
 *
 * What is 2 MiB or larger asks for huge pages, whoever wants it: a difference
 * between two structures is then none of their pages.
 */
#ifndef BENCH_BUS_MEMORY_H
#define BENCH_BUS_MEMORY_H

#include <stddef.h>

/* Zeroed, aligned to a cache line; NULL: no memory. */
void *bus_memory_get(size_t size);
void bus_memory_put(void *p);

/* Nodes of one size, cut from such memory: what a good slab gives. */
struct bus_pool {
	size_t size; /* of a node */
	size_t used; /* nodes that are out */
	char *chunk; /* owned: a list of all */
	size_t left; /* bytes of the newest */
	void *free;
};

void bus_pool_init(struct bus_pool *p, size_t node_size);
void bus_pool_fini(struct bus_pool *p);
/* Not zeroed; NULL: no memory. */
void *bus_pool_get(struct bus_pool *p);
void bus_pool_put(struct bus_pool *p, void *node);

#endif
