/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the driver has come to DRIVER_OK the ordinary way before it writes
 * anything anywhere.  Only the queue in question has its rings in memory that
 * it may reach; a device's other queue has them elsewhere.
 */
#include "tests/fuzz/hostile.h"

#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/used.h"

#define ROM_GPA	    (RIG_GPA + RIG_LENT)
#define ROM_SIZE    0x1000u
#define ROM_PATTERN 0x5a

/* Where descriptors hardly ever lead: the rings of the other queue. */
#define OTHER_GPA  (1ull << 40)
#define OTHER_SIZE 0x10000u
#define OTHER_LEN  16u

/* Four indirect tables of 0x100 bytes, then buffers. */
#define TABLES (RIG_GPA + 0x20000)
#define MARK   0x5b

#define BLOCK	   0x400u /* compared at once */
#define MAX_RANGES 16384
#define MAX_TABLES 64

struct range {
	uint64_t gpa, end;
};

struct world {
	const struct hostile_device *device;
	unsigned int q; /* its queue that is looked at */
	struct rig rig;
	struct guest guest, other;
	struct check_seen seen;
	struct used_oracle used;
	bool indirect;
	uint64_t rings; /* what was handed out of guest memory before them */
	int rom_fd, other_fd;
	uint8_t *rom; /* read-only for devices, right behind the RAM */
	uint8_t *other_ram;
	/* Before a run: the RAM, and what its descriptors name. */
	uint8_t before[RIG_LENT];
	struct range writable[MAX_RANGES], table[MAX_TABLES];
	unsigned int nr_writable, nr_tables;
};

static struct world w;

static struct guest_queue *queue(void)
{
	return &w.guest.queue[w.q];
}

static uint8_t *lend(int *fd, uint64_t gpa, uint32_t size, uint32_t flags)
{
	struct gpa_region r = { .gpa = gpa, .size = size, .flags = flags };
	uint8_t *p;

	*fd = memfd_create("lent", MFD_CLOEXEC);
	must(*fd >= 0 && ftruncate(*fd, size) == 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	must(p != MAP_FAILED);
	must(gpa_files_get(&w.rig.files, *fd, 0, size, flags & GPA_WRITE,
			   &r.file) == 0);
	r.host = r.file->base;
	must(link_map(&w.rig.link, &r) == 0);
	return p;
}

static void make_rig(uint8_t how)
{
	const struct link_options opt = {
		.scope = PCIRING_SCOPE_FUNCTION,
		.remote = how & HOSTILE_REMOTE,
	};

	memset(&w.rig, 0, sizeof(w.rig));
	must(rig_init_device(&w.rig, &opt, w.device->type, w.device->option,
			     w.device->nr_options) == 0);
	w.rom = lend(&w.rom_fd, ROM_GPA, ROM_SIZE, GPA_READ);
	memset(w.rom, ROM_PATTERN, ROM_SIZE);
	w.other_ram =
		lend(&w.other_fd, OTHER_GPA, OTHER_SIZE, GPA_READ | GPA_WRITE);
}

static uint64_t features_of(uint8_t how)
{
	uint64_t f = GUEST_F_VERSION_1 | GUEST_F_RING_RESET;

	if (how & HOSTILE_INDIRECT)
		f |= GUEST_F_INDIRECT;
	if (how & HOSTILE_EVENT_IDX)
		f |= GUEST_F_EVENT_IDX;
	if (how & HOSTILE_PACKED)
		f |= GUEST_F_PACKED | GUEST_F_NOTIFICATION_DATA;
	if (how & HOSTILE_IN_ORDER)
		f |= GUEST_F_IN_ORDER;
	return f | w.device->features;
}

/* The device's other queue, whose driver knows what it does. */
static void start_other(void)
{
	const struct guest_memory mem = { .gpa = OTHER_GPA,
					  .host = w.other_ram,
					  .size = OTHER_SIZE };

	w.other = w.guest;
	w.other.mem = mem;
	must(guest_queue_alloc(&w.other, w.device->other, OTHER_LEN) == 0);
	must(guest_queue_tell(&w.other, w.device->other, GUEST_NO_VECTOR) == 0);
	guest_queue_enable(&w.other, w.device->other);
}

static void start_queue(uint16_t size)
{
	must(guest_queue_alloc(&w.guest, w.q, size) == 0);
	must(guest_queue_tell(&w.guest, w.q, 1) == 0);
	guest_queue_enable(&w.guest, w.q);
	used_begin(&w.used, w.used.in_order, w.used.any_order);
}

/* Zeros written where there are zeros would not be seen; headers that are zero
 * should stay likely. */
static void mark_buffers(void)
{
	for (uint64_t at = TABLES + 0x400; at < RIG_GPA + RIG_LENT; at += 0x100)
		memset(&w.rig.mem[at - RIG_GPA + 0x80], MARK, 0x80);
}

static void set_up(uint8_t how)
{
	static const uint16_t split[] = { 0, 16, 4, 1 };
	static const uint16_t packed[] = { 0, 23, 5, 1 };
	const uint16_t *sizes = how & HOSTILE_PACKED ? packed : split;

	w.indirect = how & HOSTILE_INDIRECT;
	w.seen.eventfd_writes = 0;
	make_rig(how);
	mark_buffers();
	rig_guest(&w.rig, &w.guest);
	must(guest_find_caps(&w.guest) == 0);
	guest_command(&w.guest, true, true);
	guest_msix_control(&w.guest, true, false);
	for (unsigned int v = 0; v < w.guest.msix.nr; v++)
		guest_msix_entry(&w.guest, v, 0xfee00000 + 0x1000 * v, v,
				 false);
	must(guest_reset(&w.guest) == 0);
	must(guest_negotiate(&w.guest, features_of(how)) == 0);
	guest_write(&w.guest, GUEST_CAP_COMMON, GUEST_CONFIG_VECTOR, 2, 0);
	used_begin(&w.used, how & HOSTILE_IN_ORDER, w.device->any_order);
	w.rings = w.guest.mem.used;
	start_queue(sizes[how >> HOSTILE_SIZE_SHIFT & 3]);
	if (w.device->say)
		start_other();
	guest_add_status(&w.guest, GUEST_DRIVER_OK);
}

static void tear_down(void)
{
	rig_fini(&w.rig);
	munmap(w.rom, ROM_SIZE);
	munmap(w.other_ram, OTHER_SIZE);
	close(w.rom_fd);
	close(w.other_fd);
}

/* ---- What a run may do ---------------------------------------------------- */

static bool meets(const struct range *a, const struct range *b)
{
	return a->gpa < b->end && b->gpa < a->end;
}

static uint64_t used_end(void)
{
	const struct guest_queue *q = queue();

	return q->used_gpa + (q->packed ? 4 : 6 + 8ull * q->size);
}

static struct range rings(void)
{
	return (struct range){ queue()->desc_gpa, used_end() };
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
		if (queue()->packed)
			entry.flags = entry.packed_flags;
		note_desc(&entry);
	}
}

/* What all descriptors together allow; false if they may change themselves,
 * or are too many: then nobody can tell. */
static bool note_descriptors(void)
{
	const struct guest_queue *q = queue();
	const struct range ring = rings();

	w.nr_writable = 0;
	w.nr_tables = 0;
	for (unsigned int i = 0; i < q->size; i++) {
		struct guest_desc d = q->desc[i];

		if (q->packed)
			d.flags = d.packed_flags;
		if (!(d.flags & GUEST_DESC_INDIRECT))
			note_desc(&d);
		else if (w.indirect)
			note_table(&d);
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

/* Behind what the device may write of the ring areas if @gpa is there. */
static uint64_t skip_used_area(uint64_t gpa)
{
	const struct guest_queue *q = queue();
	const uint64_t slot = (gpa - q->desc_gpa) / 16;

	if (gpa >= q->used_gpa && gpa < used_end())
		return used_end();
	/* Id, length and flags: all of a slot but its address. */
	if (q->packed && gpa >= q->desc_gpa && slot < q->size &&
	    (w.used.head[slot] || w.used.lost) && gpa % 16 >= 8)
		return q->desc_gpa + 16 * (slot + 1);
	return gpa;
}

static void check_writes(void)
{
	uint64_t end;

	for (uint64_t at = RIG_GPA; at < RIG_GPA + RIG_LENT; at = end) {
		end = at + BLOCK;
		if (at % BLOCK == 0 && !memcmp(&w.before[at - RIG_GPA],
					       &w.rig.mem[at - RIG_GPA], BLOCK))
			continue;
		end = at + 1;
		if (w.before[at - RIG_GPA] == w.rig.mem[at - RIG_GPA])
			continue;
		end = skip_used_area(at);
		if (end == at)
			end = skip_writable(at);
		must(end > at);
	}
}

/* What has to do with files goes on in the kernel meanwhile. */
static bool come_to_rest(void)
{
	const unsigned int most = w.device->endless ? 64 : 4096;

	for (unsigned int i = 0; i < most; i++) {
		if (machine_turn(w.rig.machine))
			continue;
		if (!w.device->turn || !w.device->turn())
			return true;
	}
	return w.device->endless;
}

/* Of the inside only this is looked at: how far the device has come. */
static void note_taken(const struct guest_desc *desc)
{
	struct virtio *v = &w.rig.function->vp.virtio;

	used_taken(&w.used, queue(), desc, virtio_queue(v, w.q)->s.last_avail);
}

static void run(void)
{
	const struct guest_queue *q = queue();
	const uint16_t from = guest_used_idx(&w.guest, w.q);
	const bool judge = note_descriptors();
	const struct guest_desc *before =
		(struct guest_desc *)&w.before[q->desc_gpa - RIG_GPA];

	note_taken(q->desc);
	memcpy(w.before, w.rig.mem, RIG_LENT);
	must(come_to_rest());
	check_messages(&w.rig, &w.seen);
	note_taken(before);
	if (!judge) {
		/* What was used was skipped, too, and what was taken may have
		 * been written over. */
		w.used.lost = w.used.lost || q->packed || w.device->holds;
		return;
	}
	used_check(&w.used, q, before, from);
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
	const struct guest_queue *q = queue();

	return gpa >= q->used_gpa && gpa < used_end();
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
	uint64_t base = p[1] & 1 ? ROM_GPA : TABLES;
	struct guest_desc d = {
		.addr = base + (uint64_t)(p[1] >> 1) * 0x100 - (p[2] & 3),
		.len = (uint32_t)p[3] << (p[2] >> 4),
		.flags = p[0] & 7,
		.next = p[4] & (p[4] & 0x80 ? 0xff : 7),
	};

	/* Where put_entry() puts entries, and whole ones, but for a few. */
	if ((d.flags & GUEST_DESC_INDIRECT) && p[2] & 0xf0) {
		d.addr = TABLES + (p[1] & 3) * 0x100;
		d.len = 16 * (1 + (p[3] & 3));
	}
	return d;
}

/* The same in the places of a packed ring; its number is its buffer id. */
static struct guest_desc packed_of(struct guest_desc d, uint16_t i)
{
	const uint16_t flags = d.flags;

	d.packed_flags = flags;
	d.id = i;
	return d;
}

/* One in flight is rewritten, too, but for whose turn it is. */
static void put_desc(const uint8_t *p)
{
	const struct guest_queue *q = queue();
	const uint16_t i = p[0] % q->size;
	struct guest_desc d = desc_of(p + 1);

	if (q->packed) {
		d = packed_of(d, i);
		d.packed_flags |= q->desc[i].packed_flags &
				  (GUEST_DESC_AVAIL | GUEST_DESC_USED);
	}
	guest_put_desc(&w.guest, w.q, i, &d);
}

/* Into one of the places where descriptors look for a table. */
static void put_entry(const uint8_t *p)
{
	struct guest_desc d = desc_of(p + 1);
	const uint64_t table = TABLES + (p[0] >> 3 & 3) * 0x100;

	if (queue()->packed)
		d = packed_of(d, 0);
	scribble(table + 16 * (p[0] & 7), (const uint8_t *)&d, sizeof(d));
}

/* As many slots as have NEXT, or fewer, or more; if a batch is told of by an id
 * then they all differ. */
static void offer_slots(const uint8_t *p)
{
	const struct guest_queue *q = queue();
	uint16_t n = 1, at = q->avail_slot;

	while ((q->desc[at].packed_flags & GUEST_DESC_NEXT) && n < q->size) {
		at = (uint16_t)((at + 1) % q->size);
		n++;
	}
	if (p[1] & 2)
		n = (uint16_t)(1 + p[0] % q->size);
	for (uint16_t i = 0; i < n && (w.used.in_order || w.used.any_order);
	     i++) {
		at = (uint16_t)((q->avail_slot + i) % q->size);
		q->desc[at].id = at;
	}
	guest_offer_slots(&w.guest, w.q, n);
}

/* The queue begins anew, in the same place. */
static void reset_queue(void)
{
	const uint16_t size = queue()->size;

	must(guest_queue_reset(&w.guest, w.q) == 0);
	w.guest.mem.used = w.rings;
	start_queue(size);
}

/* The other driver keeps to the rules, but memory that it used is lent anew. */
static void say(const uint8_t *p)
{
	struct guest_used used;
	uint64_t gpa;

	if (!w.device->say)
		return;
	while (guest_poll(&w.other, w.device->other, &used) > 0)
		;
	gpa = OTHER_GPA + OTHER_SIZE / 2 + p[0] * 64ull;
	guest_add(&w.other, w.device->other,
		  &(struct guest_buf){
			  gpa,
			  w.device->say(w.other_ram + (gpa - OTHER_GPA), p),
			  false },
		  1, false);
	guest_kick(&w.other, w.device->other);
}

static void offer(const uint8_t *p)
{
	if (queue()->packed)
		offer_slots(p);
	else
		guest_offer(&w.guest, w.q, (uint16_t)(p[0] | (p[1] & 1) << 8));
}

static void step(const uint8_t p[8])
{
	const struct guest_queue *q = queue();

	/* Before anything is written over. */
	note_taken(q->desc);
	switch (p[0] & 15) {
	case 0:
		scribble(q->avail_gpa + (p[1] & 63), p + 2, 2);
		break;
	case 1:
		scribble(RIG_GPA + (uint64_t)(p[1] | p[2] << 8) * 4, p + 3, 5);
		break;
	case 2:
		must(rig_take_back(&w.rig) == 0);
		guest_kick(&w.guest, w.q);
		rig_run(&w.rig, 8);
		must(rig_lend(&w.rig) == 0);
		break;
	case 3:
		guest_want_interrupts(&w.guest, w.q, p[1] & 1);
		if (p[1] & 2)
			say(p + 2);
		break;
	case 4:
		guest_command(&w.guest, true, p[1] & 3);
		break;
	case 5:
		if (p[1] & 0x80) {
			reset_queue();
			break;
		}
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
		guest_kick(&w.guest, w.q);
		run();
		break;
	}
	check_messages(&w.rig, &w.seen);
}

void hostile_story(const struct hostile_device *d, const uint8_t *data,
		   size_t size)
{
	if (!size)
		return;
	w.device = d;
	w.q = d->queue;
	set_up(data[0]);
	for (data++, size--; size >= 8; data += 8, size -= 8)
		step(data);
	guest_kick(&w.guest, w.q);
	run();
	check_the_rest();
	must(guest_reset(&w.guest) == 0);
	tear_down();
}
