/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A split queue whose driver writes anything anywhere: descriptors, avail
 * ring, indirect tables, with kicks and interrupts of memory in between.  The
 * driver has come to DRIVER_OK the ordinary way before that.
 *
 * After each step: what was not lent, or lent for reading only, is untouched;
 * used.idx went on by no more than a queue's length; a turn comes to an end.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/flow/rig.h"

#define ROM_GPA	    (RIG_GPA + RIG_LENT)
#define ROM_SIZE    0x1000u
#define ROM_PATTERN 0x5a

struct world {
	struct rig rig;
	struct guest guest;
	int rom_fd;
	uint8_t *rom; /* read-only for devices, right behind the RAM */
	uint16_t used_idx;
};

static struct world w;

static void must(bool ok)
{
	if (!ok)
		abort();
}

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

static void set_up(bool indirect, bool event_idx)
{
	uint64_t features = GUEST_F_VERSION_1;

	memset(&w, 0, sizeof(w));
	must(rig_init(&w.rig, PCIRING_SCOPE_FUNCTION, true) == 0);
	lend_rom();
	rig_guest(&w.rig, &w.guest);
	must(guest_find_caps(&w.guest) == 0);
	guest_command(&w.guest, true, true);
	guest_msix_control(&w.guest, true, false);
	if (indirect)
		features |= GUEST_F_INDIRECT;
	if (event_idx)
		features |= GUEST_F_EVENT_IDX;
	must(guest_start(&w.guest, features, 0) == 0);
}

static void tear_down(void)
{
	rig_fini(&w.rig);
	munmap(w.rom, ROM_SIZE);
	close(w.rom_fd);
}

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
static void put_desc(const uint8_t *p)
{
	uint64_t base = p[2] & 1 ? ROM_GPA : RIG_GPA + 0x20000;
	struct guest_desc d = {
		.addr = base + (uint64_t)(p[2] >> 1) * 0x100 - (p[3] & 3),
		.len = (uint32_t)p[4] << (p[3] >> 4),
		.flags = p[1] & 7,
		.next = p[5],
	};

	guest_put_desc(&w.guest, 0, p[0], &d);
}

static void offer(const uint8_t *p)
{
	guest_offer(&w.guest, 0, (uint16_t)(p[0] | (p[1] & 1) << 8));
}

static void check(void)
{
	uint16_t idx = guest_used_idx(&w.guest, 0);

	must((uint16_t)(idx - w.used_idx) <= w.guest.queue[0].size);
	w.used_idx = idx;
	must(rig_guards_hold(&w.rig));
	must(w.rom[0] == ROM_PATTERN &&
	     memcmp(w.rom, w.rom + 1, ROM_SIZE - 1) == 0);
}

static void step(const uint8_t p[8])
{
	const struct guest_queue *q = &w.guest.queue[0];

	switch (p[0] & 7) {
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
	case 4:
		put_desc(p + 1);
		break;
	case 5:
		offer(p + 1);
		break;
	case 6:
		guest_want_interrupts(&w.guest, 0, p[1] & 1);
		guest_command(&w.guest, true, p[2] & 3);
		break;
	case 7:
		guest_kick(&w.guest, 0);
		must(rig_run(&w.rig, 4096));
		break;
	}
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	set_up(data[0] & 1, data[0] & 2);
	for (data++, size--; size >= 8; data += 8, size -= 8)
		step(data);
	guest_kick(&w.guest, 0);
	must(rig_run(&w.rig, 4096));
	check();
	must(guest_reset(&w.guest) == 0);
	tear_down();
	return 0;
}
