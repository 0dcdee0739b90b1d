/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: functions of a few kinds, as they are found in servers, whose BARs are
 * what is drawn (random) or packed (dense).
 */
#include "bench/bus_set.h"

#include <stdlib.h>

#define KIB(x) ((uint64_t)(x) << 10)
#define MIB(x) ((uint64_t)(x) << 20)

#define SPREAD_BITS 46
#define LOW_BEGIN   0x80000000ull
#define LOW_END	    0xe0000000ull
#define HIGH_BEGIN  (1ull << 38)
#define HIGH_END    (1ull << 52)
#define MAX_BARS    3
#define SLOTS	    8 /* functions behind one bridge, at most */

struct bar {
	uint64_t size;
	bool low; /* below 4 GiB if there is room */
};

struct kind {
	unsigned int weight;
	struct bar bar[MAX_BARS];
};

static const struct kind kinds[] = {
	{ 30, { { KIB(4), true }, { KIB(16), false } } },   /* virtio */
	{ 25, { { KIB(16), false }, { KIB(16), false } } }, /* NIC's VF */
	{ 20, { { KIB(16), true } } },			    /* NVMe */
	{ 12, { { MIB(1), false }, { KIB(64), false }, { KIB(32), true } } },
	{ 6, { { KIB(64), true } } },			 /* USB */
	{ 4, { { MIB(16), false }, { MIB(1), true } } }, /* accelerator */
	{ 3, { { MIB(16), true }, { MIB(256), false }, { MIB(32), false } } },
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *draw(uint64_t *state)
{
	uint32_t at = bus_random_below(state, 100);

	for (size_t i = 0; i < NR_KINDS; i++) {
		if (at < kinds[i].weight)
			return &kinds[i];
		at -= kinds[i].weight;
	}
	return &kinds[0];
}

static int by_base(const void *a, const void *b)
{
	const struct bus_place *x = a, *y = b;

	return (x->base > y->base) - (x->base < y->base);
}

void bus_places_sort(struct bus_place *p, uint32_t n)
{
	qsort(p, n, sizeof(*p), by_base);
}

static uint32_t drop_overlaps(struct bus_place *p, uint32_t n)
{
	uint32_t kept = 0;

	bus_places_sort(p, n);
	for (uint32_t i = 0; i < n; i++)
		if (!kept || p[i].base - p[kept - 1].base >= p[kept - 1].size)
			p[kept++] = p[i];
	return kept;
}

static uint32_t make_random(uint32_t n, struct bus_place *out)
{
	uint64_t state = n + 1, base;
	uint32_t have = 0;

	while (have < n) {
		const struct kind *k = draw(&state);

		for (int i = 0; i < MAX_BARS && k->bar[i].size; i++) {
			if (have == n)
				break;
			base = bus_random(&state) >> (64 - SPREAD_BITS);
			out[have].size = k->bar[i].size;
			out[have++].base = base & ~(k->bar[i].size - 1);
		}
		if (have == n)
			have = drop_overlaps(out, have);
	}
	return have;
}

static uint32_t make_pio(uint32_t n, struct bus_place *out)
{
	static const uint8_t size[] = { 4, 8, 8, 8, 16, 16, 32, 8 };
	uint64_t state = n + 1;
	uint32_t have = 0;

	/* Half of the space, so that there is something to miss. */
	for (unsigned int tries = 0; have < n && tries < 64; tries++) {
		while (have < n) {
			uint64_t s =
				n > 1024 ? 8
					 : size[bus_random_below(&state, 8)];

			out[have].base = bus_random(&state) >> 48 & ~(s - 1);
			out[have++].size = s;
		}
		have = drop_overlaps(out, have);
	}
	return have;
}

/* One of the two windows of a bridge: biggest first, so nothing is lost. */
struct window {
	uint64_t at;
	uint64_t size[SLOTS * MAX_BARS];
	unsigned int nr;
};

static int biggest_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

static uint64_t window_bytes(const struct window *w)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < w->nr; i++)
		sum += w->size[i];
	return sum;
}

static uint32_t window_pack(struct window *w, struct bus_place *out,
			    uint32_t room)
{
	uint64_t align, at;
	uint32_t n = 0;

	if (!w->nr)
		return 0;
	qsort(w->size, w->nr, sizeof(w->size[0]), biggest_first);
	align = w->size[0] > MIB(1) ? w->size[0] : MIB(1);
	at = (w->at + align - 1) & ~(align - 1);
	for (; n < w->nr && n < room; n++) {
		out[n] = (struct bus_place){ at, w->size[n] };
		at += w->size[n];
	}
	/* A bridge decodes whole MiB. */
	w->at = (at + MIB(1) - 1) & ~(MIB(1) - 1);
	w->nr = 0;
	return n;
}

static uint32_t make_dense(uint32_t n, struct bus_place *out)
{
	struct window low = { .at = LOW_BEGIN }, high = { .at = HIGH_BEGIN };
	uint64_t state = n + 1;
	uint32_t have = 0, slots;

	while (have < n && high.at < HIGH_END) {
		slots = 1 + bus_random_below(&state, SLOTS);
		for (uint32_t i = 0; i < slots; i++) {
			const struct kind *k = draw(&state);

			for (int j = 0; j < MAX_BARS && k->bar[j].size; j++) {
				struct window *w =
					k->bar[j].low &&
							low.at + MIB(256) +
									window_bytes(
										&low) <
								LOW_END
						? &low
						: &high;

				w->size[w->nr++] = k->bar[j].size;
			}
		}
		have += window_pack(&low, out + have, n - have);
		have += window_pack(&high, out + have, n - have);
	}
	bus_places_sort(out, have);
	return have;
}

uint32_t bus_layout_make(enum bus_layout layout, uint32_t n,
			 struct bus_place *out)
{
	if (layout == BUS_DENSE)
		return make_dense(n, out);
	return layout == BUS_PIO ? make_pio(n, out) : make_random(n, out);
}
