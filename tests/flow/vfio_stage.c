/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: every step asserts, so that a story reads without error handling.
 */
#include "tests/flow/vfio_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct stage stage;

static const struct timespec millisecond = { .tv_nsec = 1000000 };

int stage_setup(void **state)
{
	struct procs *p = &stage.procs;
	char params[PROCS_PATH + 64];
	static const char *const no_sockets[] = { NULL };

	(void)state;
	if (procs_init(p) || procs_start_service(p))
		return -1;
	procs_path(p, "rng.sock", stage.path);
	snprintf(params, sizeof(params),
		 "{\"machine\":\"vm\",\"address\":\"00:01.0\",\"path\":\"%s\"}",
		 stage.path);
	if (procs_rpc(p, "machine.create", "{\"name\":\"vm\"}", NULL) ||
	    procs_rpc(p, "function.create",
		      "{\"machine\":\"vm\",\"address\":\"00:01.0\","
		      "\"device\":\"rng\"}",
		      NULL) ||
	    procs_rpc(p, "socket.create", params, NULL))
		return -1;
	return procs_start_proxy(p, "vm", no_sockets);
}

int stage_teardown(void **state)
{
	(void)state;
	return procs_fini(&stage.procs);
}

uint64_t stage_fired(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* ---- A live queue -------------------------------------------------------- */

void traffic_init(struct traffic *tr)
{
	*tr = (struct traffic){ 0 };
	for (int i = 0; i < VECTORS; i++)
		tr->event[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void traffic_fini(struct traffic *tr)
{
	for (int i = 0; i < VECTORS; i++)
		close(tr->event[i]);
}

void stage_go_live(struct vfio_guest *t, struct traffic *tr)
{
	struct guest *g = &t->g;

	assert_int_equal(guest_find_caps(g), 0);
	assert_int_equal(g->msix.nr, VECTORS);
	guest_msix_control(g, true, true);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, 0, 1, NULL, 0), 0);
	guest_msix_control(g, true, false);
	for (unsigned int i = 0; i < VECTORS; i++)
		assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, i, 1,
						   &tr->event[i], 1),
				 0);
	if (guest_start(g, GUEST_ALL_FEATURES, 64))
		fail_msg("driver: %s", g->why);
	assert_true(g->queue[0].used_gpa < HIGH);
	for (int i = 0; i < CHAINS; i++) {
		tr->buf[i].gpa = guest_alloc(g, CHAIN_BYTES, i ? 64 : PAM_SIZE);
		tr->buf[i].len = CHAIN_BYTES;
		tr->buf[i].write = true;
		assert_true(tr->buf[i].gpa >= HIGH);
	}
}

void stage_ask(struct vfio_guest *t, struct traffic *tr)
{
	for (int i = 0; i < CHAINS; i++) {
		memset(guest_at(&t->g, tr->buf[i].gpa), 0, CHAIN_BYTES);
		if (guest_add(&t->g, 0, &tr->buf[i], 1, false) < 0)
			fail_msg("no descriptor for chain %d", i);
	}
	guest_kick(&t->g, 0);
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	while (n && !*bytes) {
		bytes++;
		n--;
	}
	return n == 0;
}

void stage_collect(struct vfio_guest *t, struct traffic *tr)
{
	struct guest_used used;
	unsigned int got = 0;

	for (int tries = 0; got < CHAINS && tries < 3000; tries++) {
		int n;

		while ((n = guest_poll(&t->g, 0, &used)) > 0) {
			assert_true(used.len > 0 && used.len <= CHAIN_BYTES);
			got++;
		}
		if (n < 0)
			fail_msg("used ring: %s", t->g.why);
		if (got < CHAINS)
			nanosleep(&millisecond, NULL);
	}
	if (got != CHAINS)
		fail_msg("%u of %d chains came, status %#x", got, CHAINS,
			 guest_status(&t->g));
	for (int i = 0; i < CHAINS; i++)
		assert_false(all_zero(guest_at(&t->g, tr->buf[i].gpa),
				      CHAIN_BYTES / 2));
	tr->done += got;
	assert_int_equal(guest_status(&t->g) & GUEST_NEEDS_RESET, 0);
	assert_int_equal(t->failed, 0);
}

/* ---- Pipelined maps and unmaps ------------------------------------------- */

void stage_map(struct vfio_guest *t, uint64_t gpa, uint64_t size, bool with_fd)
{
	struct vu_dma_map map = {
		.argsz = sizeof(map),
		.flags = with_fd ? VU_DMA_READ | VU_DMA_WRITE : VU_DMA_READ,
		.offset = with_fd ? gpa : 0,
		.address = gpa,
		.size = size,
	};

	assert_int_equal(vfio_raw_command(&t->v, VU_DMA_MAP, 0, &map,
					  sizeof(map), &t->ram, with_fd),
			 0);
	t->in_flight++;
}

void stage_unmap(struct vfio_guest *t, uint64_t gpa, uint64_t size)
{
	struct vu_dma_unmap un = { sizeof(un), 0, gpa, size };

	assert_int_equal(vfio_raw_command(&t->v, VU_DMA_UNMAP, 0, &un,
					  sizeof(un), NULL, 0),
			 0);
	t->in_flight++;
}

void stage_replies(struct vfio_guest *t)
{
	uint16_t id = (uint16_t)(t->v.id - t->in_flight);

	for (; t->in_flight; t->in_flight--) {
		assert_int_equal(vfio_raw_reply(&t->v), 1);
		assert_int_equal(t->v.reply.id, ++id);
		assert_int_equal(t->v.reply.flags, VU_TYPE_REPLY);
	}
}

/* Everything but the driver's part, and ROMs that cannot be reached. */
static void map_all(struct vfio_guest *t)
{
	stage_map(t, 0, LOW_SIZE, true);
	stage_map(t, PAM, PAM_SIZE, true);
	stage_map(t, HIGH, HIGH_SIZE, true);
	stage_map(t, 0xfffc0000, 0x40000, false);
	stage_replies(t);
}

void stage_qemu(struct vfio_guest *t)
{
	stage_qemu_at(t, stage.path);
}

void stage_qemu_at(struct vfio_guest *t, const char *path)
{
	static const char json[] =
		"{\"capabilities\": {\"migration\": {\"pgsize\": 4096, "
		"\"max_bitmap_size\": 268435456}, \"max_msg_fds\": 16, "
		"\"max_data_xfer_size\": 1048576, \"pgsizes\": 4096, "
		"\"max_dma_maps\": 65535, \"write_multiple\": true}}";
	struct vu_device_info info = { .argsz = sizeof(info) };
	uint8_t config[4096];
	uint32_t config_size = 0;

	assert_int_equal(vfio_raw_connect(&t->v, path), 0);
	assert_int_equal(vfio_raw_version(&t->v, 0, json), 0);
	assert_true(t->v.length <= 4 + sizeof(json));
	map_all(t);
	assert_int_equal(vfio_raw_call(&t->v, VU_DEVICE_GET_INFO, &info,
				       sizeof(info), NULL, 0),
			 0);
	for (uint32_t i = 0; i <= VU_REGION_CONFIG; i++) {
		struct vu_region_info ri = { .argsz = 32, .index = i };

		assert_int_equal(vfio_raw_call(&t->v, VU_GET_REGION_INFO, &ri,
					       sizeof(ri), NULL, 0),
				 0);
		memcpy(&ri, t->v.data, sizeof(ri));
		config_size = (uint32_t)ri.size;
		/* Nothing is mapped, so that BAR writes need no reply. */
		assert_int_equal(ri.flags, ri.size ? 3 : 0);
	}
	assert_int_equal(
		vfio_raw_read(&t->v, VU_REGION_CONFIG, 0, config_size, config),
		0);
	assert_int_equal(load_le(config, 2), 0x1af4);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 0, 0x21, 0, 0, NULL, 0), 0);
	assert_int_equal(
		vfio_raw_call(&t->v, VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
}

/* What was taken back stays as we wrote it, however live the queue is. */
static void hold(struct vfio_guest *t)
{
	static uint8_t saved[VFIO_GUEST_SIZE - PAM];

	memcpy(saved, t->at + PAM, sizeof(saved));
	memset(t->at + PAM, 0xa5, sizeof(saved));
	nanosleep(&millisecond, NULL);
	for (size_t i = 0; i < sizeof(saved); i++)
		if (t->at[PAM + i] != 0xa5)
			fail_msg("unmapped memory was written at %#zx",
				 (size_t)PAM + i);
	memcpy(t->at + PAM, saved, sizeof(saved));
}

void stage_relay(struct vfio_guest *t, struct traffic *tr, unsigned int kind)
{
	switch (kind % STAGE_RELAYS) {
	case 0: /* the rings go and come */
		stage_unmap(t, PAM, PAM_SIZE);
		stage_map(t, PAM, PAM_SIZE, true);
		break;
	case 1: /* all of it, in one burst */
		stage_unmap(t, PAM, PAM_SIZE);
		stage_unmap(t, HIGH, HIGH_SIZE);
		stage_unmap(t, 0, LOW_SIZE);
		stage_map(t, 0, LOW_SIZE, true);
		stage_map(t, HIGH, HIGH_SIZE, true);
		stage_map(t, PAM, PAM_SIZE, true);
		break;
	case 2: /* the rings' first half is a ROM for a while */
		stage_unmap(t, PAM, PAM_SIZE);
		stage_map(t, PAM, PAM_SIZE / 2, false);
		stage_map(t, PAM + PAM_SIZE / 2, PAM_SIZE / 2, true);
		stage_unmap(t, PAM + PAM_SIZE / 2, PAM_SIZE / 2);
		stage_unmap(t, PAM, PAM_SIZE / 2);
		stage_map(t, PAM, PAM_SIZE, true);
		break;
	case 3: /* gone, and looked at while it is */
		stage_unmap(t, PAM, PAM_SIZE);
		stage_unmap(t, HIGH, HIGH_SIZE);
		stage_replies(t);
		tr->interrupted +=
			guest_used_idx(&t->g, 0) != t->g.queue[0].avail_idx;
		hold(t);
		stage_map(t, HIGH, HIGH_SIZE, true);
		stage_map(t, PAM, PAM_SIZE, true);
		break;
	case 4: /* in pieces from now on, then whole again */
		stage_unmap(t, PAM, PAM_SIZE);
		for (uint64_t at = 0; at < PAM_SIZE; at += 0x4000)
			stage_map(t, PAM + at, 0x4000, true);
		for (uint64_t at = 0; at < PAM_SIZE; at += 0x4000)
			stage_unmap(t, PAM + at, 0x4000);
		stage_map(t, PAM, PAM_SIZE, true);
		break;
	}
	stage_replies(t);
}
