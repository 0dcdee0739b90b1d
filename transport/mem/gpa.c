/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an array sorted by guest address, searched in halves: whoever looks often
 * keeps what he found.  Regions do not wrap, so every region has a last address
 * and the arithmetic is on those.
 */
#include "transport/mem/gpa.h"

#include <stdlib.h>

static uint64_t region_last(const struct gpa_region *r)
{
	return r->gpa + (r->size - 1);
}

static bool region_has(const struct gpa_region *r, uint64_t gpa)
{
	return gpa >= r->gpa && gpa <= region_last(r);
}

/* Index of the first region that ends at or behind @gpa; nr if none does. */
static uint32_t first_index(const struct gpa_map *map, uint64_t gpa)
{
	uint32_t lo = 0, hi = map->nr;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (region_last(&map->region[mid]) < gpa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int make_room(struct gpa_map *map)
{
	uint32_t room = map->room ? 2 * map->room : 16;
	struct gpa_region *region;

	if (map->nr == GPA_MAX_REGIONS)
		return -ENOSPC;
	if (map->nr < map->room)
		return 0;
	region = realloc(map->region, room * sizeof(*region));
	if (!region)
		return -ENOMEM;
	map->region = region;
	map->room = room;
	return 0;
}

static void changed(struct gpa_map *map)
{
	map->epoch++;
}

void gpa_map_init(struct gpa_map *map)
{
	/* 0 is no epoch: a cache that starts zeroed is stale. */
	*map = (struct gpa_map){ .epoch = 1 };
}

void gpa_map_fini(struct gpa_map *map)
{
	free(map->region);
	map->region = NULL;
	map->nr = 0;
	map->room = 0;
	changed(map);
}

int gpa_map_insert(struct gpa_map *map, const struct gpa_region *r)
{
	uint32_t at;
	int err;

	if (!r->size || r->size - 1 > UINT64_MAX - r->gpa)
		return -EINVAL;
	at = first_index(map, r->gpa);
	if (at < map->nr && map->region[at].gpa <= region_last(r))
		return -EEXIST;
	err = make_room(map);
	if (err)
		return err;
	memmove(&map->region[at + 1], &map->region[at],
		(map->nr - at) * sizeof(*r));
	map->region[at] = *r;
	map->nr++;
	changed(map);
	return 0;
}

int gpa_map_remove(struct gpa_map *map, uint64_t gpa, uint64_t size,
		   struct gpa_region *removed)
{
	uint32_t i = first_index(map, gpa);

	if (i == map->nr || map->region[i].gpa != gpa ||
	    map->region[i].size != size)
		return -ENOENT;
	*removed = map->region[i];
	map->nr--;
	memmove(&map->region[i], &map->region[i + 1],
		(map->nr - i) * sizeof(*removed));
	changed(map);
	return 0;
}

const struct gpa_region *gpa_find(const struct gpa_map *map, uint64_t gpa)
{
	const uint32_t i = first_index(map, gpa);

	if (i == map->nr || !region_has(&map->region[i], gpa))
		return NULL;
	return &map->region[i];
}

uint64_t gpa_span(const struct gpa_map *map, uint64_t gpa, uint64_t len,
		  bool write, void **host)
{
	const uint32_t need = write ? GPA_WRITE : GPA_READ;
	const struct gpa_region *r = gpa_find(map, gpa), *next;
	const struct gpa_region *end = map->region + map->nr;
	uint64_t span;

	if (!r || !r->host || !(r->flags & need))
		return 0;
	*host = r->host + (gpa - r->gpa);
	span = r->size - (gpa - r->gpa);
	while (span < len && (next = r + 1) < end) {
		/* Neither end can wrap: another region follows @r. */
		if (next->gpa != r->gpa + r->size ||
		    next->host != r->host + r->size || !(next->flags & need))
			break;
		span += next->size;
		r = next;
	}
	return span < len ? span : len;
}
