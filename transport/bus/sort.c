/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: byte by byte, the lowest first, each pass keeping the order of the one
 * before.  Bytes that are the same in all bases, as most are, take no pass.
 */
#include "transport/bus/sort.h"

#include <stdlib.h>

#define VALUES 256

static unsigned int byte_of(const struct bus_entry *e, unsigned int byte)
{
	return e->base >> (8 * byte) & (VALUES - 1);
}

static void count(const struct bus_entry *e, size_t n, size_t at[8][VALUES])
{
	memset(at, 0, 8 * sizeof(at[0]));
	for (size_t i = 0; i < n; i++)
		for (unsigned int b = 0; b < 8; b++)
			at[b][byte_of(&e[i], b)]++;
}

static void pass(const struct bus_entry *from, struct bus_entry *to, size_t n,
		 unsigned int byte, size_t at[VALUES])
{
	size_t sum = 0;

	for (unsigned int v = 0; v < VALUES; v++) {
		const size_t here = at[v];

		at[v] = sum;
		sum += here;
	}
	for (size_t i = 0; i < n; i++)
		to[at[byte_of(&from[i], byte)]++] = from[i];
}

static bool in_order(const struct bus_entry *e, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (e[i - 1].base > e[i].base)
			return false;
	return true;
}

int bus_entries_sort(struct bus_entry *e, size_t n)
{
	struct bus_entry *other, *from = e, *to, *t;
	size_t at[8][VALUES];

	if (in_order(e, n))
		return 0;
	other = malloc(n * sizeof(*e));
	if (!other)
		return -ENOMEM;
	to = other;
	count(e, n, at);
	for (unsigned int b = 0; b < 8; b++) {
		if (at[b][byte_of(e, b)] == n)
			continue;
		pass(from, to, n, b, at[b]);
		t = from;
		from = to;
		to = t;
	}
	if (from != e)
		memcpy(e, from, n * sizeof(*e));
	free(other);
	return 0;
}
