/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: configuration space as Linux goes through it - capabilities by type,
 * the first of each; BARs sized with decoding off, then placed.
 */
#include "tests/guest/driver.h"

#include <string.h>

#define COMMAND	       0x04
#define COMMAND_MEM    2u
#define COMMAND_MASTER 4u
#define COMMAND_NO_PIN 0x400u
#define STATUS	       0x06
#define STATUS_CAUSE   0x08u
#define STATUS_CAPS    0x10u
#define BAR0	       0x10
#define CAP_POINTER    0x34
#define PIN	       0x3d
#define CAP_ID_MSIX    0x11
#define CAP_ID_VENDOR  0x09

static int fail(struct guest *g, const char *why)
{
	g->why = why;
	return -1;
}

static uint32_t config(struct guest *g, uint32_t off, unsigned int size)
{
	return g->ops->config_read(g->ctx, off, size);
}

static void set_config(struct guest *g, uint32_t off, unsigned int size,
		       uint32_t value)
{
	g->ops->config_write(g->ctx, off, size, value);
}

static void take_msix(struct guest *g, uint8_t at)
{
	const uint32_t table = config(g, at + 4u, 4);
	const uint32_t pba = config(g, at + 8u, 4);

	g->msix.at = at;
	g->msix.nr = (uint16_t)((config(g, at + 2u, 2) & 0x7ff) + 1);
	g->msix.table_bar = table & 7;
	g->msix.table = table & ~7u;
	g->msix.pba_bar = pba & 7;
	g->msix.pba = pba & ~7u;
}

/* Drivers prefer the first of each type. */
static void take_vendor(struct guest *g, uint8_t at)
{
	const uint32_t type = config(g, at + 3u, 1);

	if (type == 0 || type >= GUEST_CAPS || g->cap[type].at)
		return;
	g->cap[type] = (struct guest_cap){
		.at = at,
		.cap_len = (uint8_t)config(g, at + 2u, 1),
		.bar = (uint8_t)config(g, at + 4u, 1),
		.offset = config(g, at + 8u, 4),
		.length = config(g, at + 12u, 4),
	};
	if (type == GUEST_CAP_NOTIFY)
		g->notify_multiplier = config(g, at + 16u, 4);
}

int guest_find_caps(struct guest *g)
{
	unsigned int seen = 0;
	uint8_t at, id;

	memset(g->cap, 0, sizeof(g->cap));
	memset(&g->msix, 0, sizeof(g->msix));
	if (!(config(g, STATUS, 2) & STATUS_CAPS))
		return fail(g, "no capability list");
	for (at = (uint8_t)config(g, CAP_POINTER, 1); at;
	     at = (uint8_t)config(g, at + 1u, 1)) {
		if (at < 0x40 || (at & 3) || ++seen > 48)
			return fail(g, "capability list is broken");
		id = (uint8_t)config(g, at, 1);
		if (id == CAP_ID_MSIX)
			take_msix(g, at);
		else if (id == CAP_ID_VENDOR)
			take_vendor(g, at);
	}
	if (!g->cap[GUEST_CAP_COMMON].at || !g->cap[GUEST_CAP_NOTIFY].at ||
	    !g->cap[GUEST_CAP_ISR].at)
		return fail(g, "a structure is missing");
	return 0;
}

static uint32_t probe_bar(struct guest *g, unsigned int n)
{
	const uint32_t old = config(g, BAR0 + 4 * n, 4);
	uint32_t mask;

	set_config(g, BAR0 + 4 * n, 4, UINT32_MAX);
	mask = config(g, BAR0 + 4 * n, 4);
	set_config(g, BAR0 + 4 * n, 4, old);
	return mask;
}

int guest_size_bar(struct guest *g, unsigned int n)
{
	struct guest_bar *b = &g->bar[n];
	const uint32_t command = config(g, COMMAND, 2);
	uint64_t mask;

	*b = (struct guest_bar){ .size = 0 };
	set_config(g, COMMAND, 2, command & ~3u);
	mask = probe_bar(g, n);
	b->io = mask & 1;
	b->is_64 = !b->io && (mask & 6) == 4;
	b->prefetch = !b->io && (mask & 8);
	mask &= b->io ? ~3ull : ~15ull;
	if (b->is_64 && n < 5)
		mask |= (uint64_t)probe_bar(g, n + 1) << 32;
	else if (mask)
		mask |= 0xffffffffull << 32;
	b->size = mask ? ~mask + 1 : 0;
	set_config(g, COMMAND, 2, command);
	return b->is_64 ? 2 : 1;
}

void guest_set_bar(struct guest *g, unsigned int n, uint64_t address)
{
	g->bar[n].address = address;
	set_config(g, BAR0 + 4 * n, 4, (uint32_t)address);
	if (g->bar[n].is_64)
		set_config(g, BAR0 + 4 * (n + 1), 4, (uint32_t)(address >> 32));
}

int guest_place_bars(struct guest *g, uint64_t base)
{
	unsigned int n, step;

	for (n = 0; n < 6; n += step) {
		step = (unsigned int)guest_size_bar(g, n);
		if (!g->bar[n].size || g->bar[n].io)
			continue;
		if (g->bar[n].size & (g->bar[n].size - 1))
			return fail(g, "BAR size is no power of two");
		base = (base + g->bar[n].size - 1) & ~(g->bar[n].size - 1);
		guest_set_bar(g, n, base);
		base += g->bar[n].size;
	}
	return 0;
}

void guest_command(struct guest *g, bool memory, bool master)
{
	uint32_t command = config(g, COMMAND, 2);

	command &= ~(COMMAND_MEM | COMMAND_MASTER);
	command |= (memory ? COMMAND_MEM : 0) | (master ? COMMAND_MASTER : 0);
	set_config(g, COMMAND, 2, command);
}

void guest_msix_entry(struct guest *g, unsigned int v, uint64_t address,
		      uint32_t data, bool masked)
{
	const uint32_t word[4] = { (uint32_t)address, (uint32_t)(address >> 32),
				   data, masked };
	unsigned int i;

	for (i = 0; i < 4; i++)
		g->ops->bar_write(g->ctx, g->msix.table_bar,
				  g->msix.table + 16ull * v + 4 * i, 4,
				  word[i]);
}

void guest_msix_control(struct guest *g, bool enable, bool mask_all)
{
	set_config(g, g->msix.at + 2u, 2,
		   (enable ? 0x8000u : 0) | (mask_all ? 0x4000u : 0));
}

bool guest_msix_pending(struct guest *g, unsigned int v)
{
	return g->ops->bar_read(g->ctx, g->msix.pba_bar,
				g->msix.pba + 8ull * (v / 64), 8) >>
		       (v % 64) &
	       1;
}

unsigned int guest_intx_pin(struct guest *g)
{
	return config(g, PIN, 1);
}

void guest_intx_disable(struct guest *g, bool on)
{
	const uint32_t command = config(g, COMMAND, 2);

	set_config(g, COMMAND, 2,
		   on ? command | COMMAND_NO_PIN : command & ~COMMAND_NO_PIN);
}

bool guest_intx_status(struct guest *g)
{
	return config(g, STATUS, 2) & STATUS_CAUSE;
}

/* ---- The configuration access capability -------------------------------- */

/* Returns where its data is. */
static uint32_t set_window(struct guest *g, unsigned int bar, uint32_t off,
			   unsigned int size)
{
	const uint8_t at = g->cap[GUEST_CAP_ACCESS].at;

	set_config(g, at + 4u, 1, bar);
	set_config(g, at + 8u, 4, off);
	set_config(g, at + 12u, 4, size);
	return at + 16u;
}

uint32_t guest_window_read(struct guest *g, unsigned int bar, uint32_t off,
			   unsigned int size)
{
	return config(g, set_window(g, bar, off, size), size);
}

void guest_window_write(struct guest *g, unsigned int bar, uint32_t off,
			unsigned int size, uint32_t value)
{
	set_config(g, set_window(g, bar, off, size), size, value);
}
