/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A split queue whose driver writes anything anywhere: descriptors, avail
 * ring, indirect tables, with kicks and interrupts of memory in between.  The
 * driver has come to DRIVER_OK the ordinary way before that.  Behind the queue
 * is an rng, or a disk, which takes apart what it finds.
 *
 * After each run: of what was lent, only bytes changed that some descriptor
 * made writable; what was used had been offered, in that order, and each only
 * once; messages left by the rules; and the run came to an end.  After all:
 * what was not lent, or lent for reading only, is untouched.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/check.h"

#define ROM_GPA	    (RIG_GPA + RIG_LENT)
#define ROM_SIZE    0x1000u
#define ROM_PATTERN 0x5a

#define BLOCK	   0x400u /* compared at once */
#define MAX_RANGES 16384
#define MAX_TABLES 64

struct range {
	uint64_t gpa, end;
};

struct world {
	struct rig rig;
	struct guest guest;
	struct check_seen seen;
	bool indirect;
	int rom_fd;
	uint8_t *rom; /* read-only for devices, right behind the RAM */
	/* Before a run: the RAM, and what its descriptors name. */
	uint8_t before[RIG_LENT];
	struct range writable[MAX_RANGES], table[MAX_TABLES];
	unsigned int nr_writable, nr_tables;
};

static struct world w;

static void lend_rom(void)
{
	struct gpa_region r = { .gpa = ROM_GPA,
				.size = ROM_SIZE,
				.flags = GPA_READ };

	w.rom_fd = memfd_create("rom", MFD_CLOEXEC);
	must(w.rom_fd >= 0 && ftruncate(w.rom_fd, ROM_SIZE) == 0);
	w.rom = mmap(NULL, ROM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     w.rom_fd, 0);
	must(w.rom != MAP_FAILED);
	memset(w.rom, ROM_PATTERN, ROM_SIZE);
	must(gpa_files_get(&w.rig.files, w.rom_fd, 0, ROM_SIZE, false,
			   &r.file) == 0);
	r.host = r.file->base;
	must(link_map(&w.rig.link, &r) == 0);
}

static int make_rig(uint8_t how)
{
	static const struct device_option disk[] = { { "backend", "ram" },
						     { "size", "4M" } };
	const struct link_options opt = {
		.scope = PCIRING_SCOPE_FUNCTION,
		.remote = how & 16,
	};

	if (how & 32)
		return rig_init_device(&w.rig, &opt, "blk", disk,
				       ARRAY_SIZE(disk));
	return rig_init_link(&w.rig, &opt);
}

static void set_up(uint8_t how)
{
	static const uint16_t sizes[] = { 0, 16, 4, 1 };
	uint64_t features = GUEST_F_VERSION_1;

	w.indirect = how & 1;
	w.seen.eventfd_writes = 0;
	memset(&w.rig, 0, sizeof(w.rig));
	must(make_rig(how) == 0);
	lend_rom();
	rig_guest(&w.rig, &w.guest);
	must(guest_find_caps(&w.guest) == 0);
	guest_command(&w.guest, true, true);
	guest_msix_control(&w.guest, true, false);
	for (unsigned int v = 0; v < w.guest.msix.nr; v++)
		guest_msix_entry(&w.guest, v, 0xfee00000 + 0x1000 * v, v,
				 false);
	if (w.indirect)
		features |= GUEST_F_INDIRECT;
	if (how & 2)
		features |= GUEST_F_EVENT_IDX;
	must(guest_start(&w.guest, features, sizes[how >> 2 & 3]) == 0);
}

static void tear_down(void)
{
	rig_fini(&w.rig);
	munmap(w.rom, ROM_SIZE);
	close(w.rom_fd);
}

/* ---- What a run may do ---------------------------------------------------- */

static bool meets(const struct range *a, const struct range *b)
{
	return a->gpa < b->end && b->gpa < a->end;
}

static struct range rings(void)
{
	const struct guest_queue *q = &w.guest.queue[0];

	return (struct range){ q->desc_gpa, q->used_gpa + 6 + 8ull * q->size };
}

/* The part of [gpa, gpa + len) that is RAM. */
static struct range in_ram(uint64_t gpa, uint64_t len)
{
	struct range r = { gpa,
			   len > UINT64_MAX - gpa ? UINT64_MAX : gpa + len };

	if (r.gpa < RIG_GPA)
		r.gpa = RIG_GPA;
	if (r.end > RIG_GPA + RIG_LENT)
		r.end = RIG_GPA + RIG_LENT;
	if (r.gpa >= r.end)
		r = (struct range){ RIG_GPA, RIG_GPA };
	return r;
}

static void note_desc(const struct guest_desc *d)
{
	if ((d->flags & GUEST_DESC_WRITE) && w.nr_writable < MAX_RANGES)
		w.writable[w.nr_writable++] = in_ram(d->addr, d->len);
}

static void note_table(const struct guest_desc *d)
{
	const struct range r = in_ram(d->addr, d->len);

	if (w.nr_tables == MAX_TABLES)
		return;
	w.table[w.nr_tables++] = r;
	for (uint64_t at = r.gpa; r.end - at >= sizeof(*d); at += sizeof(*d)) {
		struct guest_desc entry;

		memcpy(&entry, guest_at(&w.guest, at), sizeof(entry));
		note_desc(&entry);
	}
}

/* What all descriptors together allow; false if they may change themselves,
 * or are too many: then nobody can tell. */
static bool note_descriptors(void)
{
	const struct guest_queue *q = &w.guest.queue[0];
	const struct range ring = rings();

	w.nr_writable = 0;
	w.nr_tables = 0;
	for (unsigned int i = 0; i < q->size; i++) {
		if (!(q->desc[i].flags & GUEST_DESC_INDIRECT))
			note_desc(&q->desc[i]);
		else if (w.indirect)
			note_table(&q->desc[i]);
	}
	if (w.nr_writable == MAX_RANGES || w.nr_tables == MAX_TABLES)
		return false;
	for (unsigned int i = 0; i < w.nr_writable; i++) {
		if (meets(&w.writable[i], &ring))
			return false;
		for (unsigned int k = 0; k < w.nr_tables; k++)
			if (meets(&w.writable[i], &w.table[k]))
				return false;
	}
	return true;
}

/* Behind the writable range that @gpa is in; @gpa if it is in none. */
static uint64_t skip_writable(uint64_t gpa)
{
	for (unsigned int i = 0; i < w.nr_writable; i++)
		if (gpa >= w.writable[i].gpa && gpa < w.writable[i].end)
			return w.writable[i].end;
	return gpa;
}

static void check_writes(void)
{
	const struct guest_queue *q = &w.guest.queue[0];
	const uint64_t used_end = q->used_gpa + 6 + 8ull * q->size;
	uint64_t end;

	for (uint64_t at = RIG_GPA; at < RIG_GPA + RIG_LENT; at = end) {
		end = at + BLOCK;
		if (at % BLOCK == 0 && !memcmp(&w.before[at - RIG_GPA],
					       &w.rig.mem[at - RIG_GPA], BLOCK))
			continue;
		end = at + 1;
		if (w.before[at - RIG_GPA] == w.rig.mem[at - RIG_GPA])
			continue;
		if (at >= q->used_gpa && at < used_end)
			end = used_end;
		else
			end = skip_writable(at);
		must(end > at);
	}
}

/* The devices answer in the order in which they were asked. */
static void check_used(uint16_t from)
{
	const struct guest_queue *q = &w.guest.queue[0];
	const uint16_t n = (uint16_t)(guest_used_idx(&w.guest, 0) - from);
	const uint16_t offered = (uint16_t)(q->avail[1] - from);

	must(n <= q->size && n <= offered);
	for (uint16_t i = 0; i < n; i++) {
		const unsigned int at = (uint16_t)(from + i) & (q->size - 1);
		uint32_t id;

		memcpy(&id, &q->used[2 + 4 * at], sizeof(id));
		must(id < q->size && id == q->avail[2 + at]);
	}
}

static void run(void)
{
	const uint16_t from = guest_used_idx(&w.guest, 0);
	const bool judge = note_descriptors();

	memcpy(w.before, w.rig.mem, RIG_LENT);
	must(rig_run(&w.rig, 4096));
	check_messages(&w.rig, &w.seen);
	if (!judge)
		return;
	check_used(from);
	check_writes();
}

static void check_the_rest(void)
{
	must(rig_guards_hold(&w.rig));
	must(w.rom[0] == ROM_PATTERN &&
	     memcmp(w.rom, w.rom + 1, ROM_SIZE - 1) == 0);
}

/* ---- Steps ---------------------------------------------------------------- */

/* A driver may also scribble over the used ring, but then nobody can tell any
 * more what the device did; so this one leaves it alone. */
static bool in_used_ring(uint64_t gpa)
{
	const struct guest_queue *q = &w.guest.queue[0];

	return gpa >= q->used_gpa && gpa < q->used_gpa + 6 + 8ull * q->size;
}

static void scribble(uint64_t gpa, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (gpa + i - RIG_GPA < RIG_LENT && !in_used_ring(gpa + i))
			w.rig.mem[gpa + i - RIG_GPA] = p[i];
}

/* A descriptor from few bytes, so that likely ones are likely. */
static struct guest_desc desc_of(const uint8_t *p)
{
	uint64_t base = p[1] & 1 ? ROM_GPA : RIG_GPA + 0x20000;
	struct guest_desc d = {
		.addr = base + (uint64_t)(p[1] >> 1) * 0x100 - (p[2] & 3),
		.len = (uint32_t)p[3] << (p[2] >> 4),
		.flags = p[0] & 7,
		.next = p[4] & (p[4] & 0x80 ? 0xff : 7),
	};

	/* Where put_entry() puts entries, and whole ones, but for a few. */
	if ((d.flags & GUEST_DESC_INDIRECT) && p[2] & 0xf0) {
		d.addr = RIG_GPA + 0x20000 + (p[1] & 3) * 0x100;
		d.len = 16 * (1 + (p[3] & 3));
	}
	return d;
}

static void put_desc(const uint8_t *p)
{
	const struct guest_desc d = desc_of(p + 1);

	guest_put_desc(&w.guest, 0, p[0] & (w.guest.queue[0].size - 1), &d);
}

/* Into one of the places where descriptors look for a table. */
static void put_entry(const uint8_t *p)
{
	const struct guest_desc d = desc_of(p + 1);
	const uint64_t table = RIG_GPA + 0x20000 + (p[0] >> 3 & 3) * 0x100;

	scribble(table + 16 * (p[0] & 7), (const uint8_t *)&d, sizeof(d));
}

static void offer(const uint8_t *p)
{
	guest_offer(&w.guest, 0, (uint16_t)(p[0] | (p[1] & 1) << 8));
}

static void step(const uint8_t p[8])
{
	const struct guest_queue *q = &w.guest.queue[0];

	switch (p[0] & 15) {
	case 0:
		scribble(q->avail_gpa + (p[1] & 63), p + 2, 2);
		break;
	case 1:
		scribble(RIG_GPA + (uint64_t)(p[1] | p[2] << 8) * 4, p + 3, 5);
		break;
	case 2:
		must(rig_take_back(&w.rig) == 0);
		guest_kick(&w.guest, 0);
		rig_run(&w.rig, 8);
		must(rig_lend(&w.rig) == 0);
		break;
	case 3:
		guest_want_interrupts(&w.guest, 0, p[1] & 1);
		break;
	case 4:
		guest_command(&w.guest, true, p[1] & 3);
		break;
	case 5:
		guest_msix_control(&w.guest, p[1] & 3, p[1] & 4);
		break;
	case 6:
	case 7:
	case 8:
		put_desc(p + 1);
		break;
	case 9:
	case 10:
		put_entry(p + 1);
		break;
	case 11:
	case 12:
	case 13:
		offer(p + 1);
		break;
	default:
		guest_kick(&w.guest, 0);
		run();
		break;
	}
	check_messages(&w.rig, &w.seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	set_up(data[0]);
	for (data++, size--; size >= 8; data += 8, size -= 8)
		step(data);
	guest_kick(&w.guest, 0);
	run();
	check_the_rest();
	must(guest_reset(&w.guest) == 0);
	tear_down();
	return 0;
}
