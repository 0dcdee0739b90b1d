/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real clients' habits against the real programs: a service and a proxy, one
 * rng at 00:01.0, and a guest's driver behind vfio-user messages.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/vfio_stage.h"

static struct vfio_guest guest;

static const struct timespec millisecond = { .tv_nsec = 1000000 };

static void qemu_relays_ram_under_a_live_queue(void **state)
{
	struct vfio_guest *t = &guest;
	struct traffic tr;
	uint64_t interrupts = 0;

	(void)state;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	stage_qemu(t);
	stage_go_live(t, &tr);
	for (unsigned int i = 0; i < 400; i++) {
		stage_ask(t, &tr);
		stage_relay(t, &tr, i);
		stage_collect(t, &tr);
		interrupts += stage_fired(tr.event[1]);
	}
	assert_int_equal(tr.done, 400 * CHAINS);
	assert_true(interrupts > 0);
	/* Otherwise this has shown nothing. */
	assert_true(tr.interrupted > 0);
	vfio_guest_fini(t);
	traffic_fini(&tr);
}

/* Notified, but the ring is not there: it waits, and resumes by itself. */
static void a_queue_without_its_ring_pauses(void **state)
{
	struct vfio_guest *t = &guest;
	struct traffic tr;
	struct guest_used used;

	(void)state;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	stage_qemu(t);
	stage_go_live(t, &tr);
	stage_unmap(t, PAM, PAM_SIZE);
	stage_replies(t);
	stage_ask(t, &tr);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(guest_status(&t->g) & GUEST_NEEDS_RESET, 0);
		assert_int_equal(guest_poll(&t->g, 0, &used), 0);
		nanosleep(&millisecond, NULL);
	}
	stage_map(t, PAM, PAM_SIZE, true);
	stage_replies(t);
	stage_collect(t, &tr);
	vfio_guest_fini(t);
	traffic_fini(&tr);
}

static void cloud_hypervisor_info(struct vfio_guest *t)
{
	struct vu_device_info info = { .argsz = 32 };

	assert_int_equal(vfio_raw_call(&t->v, VU_DEVICE_GET_INFO, &info,
				       sizeof(info), NULL, 0),
			 0);
	memcpy(&info, t->v.data, sizeof(info));
	assert_int_equal(info.flags, VU_DEVICE_PCI | VU_DEVICE_RESETS);
	for (uint32_t i = 0; i < 2 * info.num_regions; i++) {
		struct vu_region_info ri = { .argsz = 32, .index = i / 2 };

		assert_int_equal(vfio_raw_call(&t->v, VU_GET_REGION_INFO, &ri,
					       sizeof(ri), NULL, 0),
				 0);
		assert_int_equal(t->v.length, sizeof(ri));
	}
	for (uint32_t i = 0; i < info.num_irqs; i++) {
		struct vu_irq_info ii = { .argsz = 16, .index = i };

		assert_int_equal(vfio_raw_call(&t->v, VU_GET_IRQ_INFO, &ii,
					       sizeof(ii), NULL, 0),
				 0);
		memcpy(&ii, t->v.data, sizeof(ii));
		/* INTx, MSI-X, and the error interrupt that never comes. */
		assert_int_equal(ii.count, i == 2 ? VECTORS : i == 0 || i == 3);
	}
}

static void cloud_hypervisor_works(void **state)
{
	struct vfio_guest *t = &guest;
	struct traffic tr;
	uint32_t dword;
	int many[16];

	(void)state;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	assert_int_equal(vfio_raw_connect(&t->v, stage.path), 0);
	assert_int_equal(vfio_raw_version(&t->v, 1,
					  "{\"max_msg_fds\":1,"
					  "\"max_data_xfer_size\":1048576,"
					  "\"migration\":{\"pgsize\":4096}}"),
			 0);
	/* It parses the answer without asking whether there is one. */
	assert_true(t->v.length > 4);
	assert_int_equal(load_le(t->v.data, 4), 1 << 16);
	cloud_hypervisor_info(t);
	for (uint32_t off = 0; off < 256; off += 4)
		assert_int_equal(vfio_raw_read(&t->v, 7, off, 4, &dword), 0);
	assert_int_equal(vfio_raw_map(&t->v, 0, VFIO_GUEST_SIZE, t->ram, 0), 0);
	/* 16 descriptors at once, though this function has fewer vectors: an
	 * error and no more. */
	for (int i = 0; i < 16; i++)
		many[i] = tr.event[0];
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, 0, 16, many, 16),
			 -EINVAL);
	stage_go_live(t, &tr);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, 0, VECTORS, tr.event,
					   VECTORS),
			 0);
	for (int i = 0; i < 10; i++) {
		stage_ask(t, &tr);
		stage_collect(t, &tr);
	}
	assert_true(stage_fired(tr.event[1]) > 0);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x21, 0, 0, NULL, 0), 0);
	assert_int_equal(vfio_raw_unmap(&t->v, 0, VFIO_GUEST_SIZE), 0);
	vfio_guest_fini(t);
	traffic_fini(&tr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cloud_hypervisor_works),
		cmocka_unit_test(a_queue_without_its_ring_pauses),
		cmocka_unit_test(qemu_relays_ram_under_a_live_queue),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
