/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bus_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINE  ((size_t)64)
#define HUGE  ((size_t)2 << 20)
#define CHUNK HUGE

void *bus_memory_get(size_t size)
{
	size_t align = size >= HUGE ? HUGE : LINE;
	void *p;

	size = (size + align - 1) & ~(align - 1);
	p = aligned_alloc(align, size ? size : align);
	if (!p)
		return NULL;
	if (align == HUGE)
		madvise(p, size, MADV_HUGEPAGE);
	memset(p, 0, size);
	return p;
}

void bus_memory_put(void *p)
{
	free(p);
}

void bus_pool_init(struct bus_pool *p, size_t node_size)
{
	*p = (struct bus_pool){ .size = node_size };
}

void bus_pool_fini(struct bus_pool *p)
{
	char *chunk = p->chunk, *next;

	for (; chunk; chunk = next) {
		next = *(char **)chunk;
		bus_memory_put(chunk);
	}
	bus_pool_init(p, p->size);
}

void *bus_pool_get(struct bus_pool *p)
{
	void *node = p->free;
	char *chunk;

	if (node) {
		p->free = *(void **)node;
		p->used++;
		return node;
	}
	if (p->left < p->size) {
		chunk = bus_memory_get(CHUNK);
		if (!chunk)
			return NULL;
		*(char **)chunk = p->chunk;
		p->chunk = chunk;
		p->left = CHUNK - LINE;
	}
	p->left -= p->size;
	p->used++;
	return p->chunk + LINE + p->left;
}

void bus_pool_put(struct bus_pool *p, void *node)
{
	*(void **)node = p->free;
	p->free = node;
	p->used--;
}
