/* SPDX-License-Identifier: BSD-3-Clause */
/* The widest device there can be: every queue has its registers, its address
 * and its vector. */
#include "transport/virtio_pci/virtio_pci.h"
#include "transport/virtio_pci/test_function.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define LAST (VIRTIO_MAX_QUEUES - 1)

struct wide {
	struct function f;
	unsigned int runs[VIRTIO_MAX_QUEUES];
};

static bool wide_run(struct virtio_device *d, unsigned int q,
		     unsigned int budget)
{
	struct wide *w = container_of(test_device_of(d), struct wide, f.dev);
	struct vq *vq = virtio_queue(d->virtio, q);
	struct vq_chain chain;

	w->runs[q]++;
	while (budget-- && vq_pop(vq, &chain))
		vq_push(vq, &chain, 0);
	return false;
}

static const struct virtio_device_ops wide_ops = {
	.name = "wide",
	.type = TEST_TYPE,
	.queue_run = wide_run,
};

static const struct virtio_pci_ops no_ops = { .work = NULL };

static int begin(void **state)
{
	struct wide *w = calloc(1, sizeof(*w));
	struct function *f;

	assert_non_null(w);
	f = &w->f;
	rig_init(&f->rig);
	f->dev.device = (struct virtio_device){
		.ops = &wide_ops,
		.nr_queues = VIRTIO_MAX_QUEUES,
		.queue_max = VQ_MAX_SIZE,
	};
	assert_int_equal(virtio_pci_init(&f->vp, &f->dev.device, NULL, &no_ops),
			 0);
	sink_record_init(&f->sink);
	msi_bank_set_next(&f->vp.func.msix.bank, &f->sink.stage, false);
	virtio_set_memory(&f->vp.virtio, &f->rig.map);
	set_cfg(f, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	*state = w;
	return 0;
}

static int finish(void **state)
{
	struct wide *w = *state;

	function_end(&w->f);
	free(w);
	return 0;
}

/* The notify capability's field at @off. */
static uint32_t notify_cap(struct function *f, uint32_t off)
{
	uint32_t at = cfg(f, PCI_CAP_POINTER, 1);

	while (cfg(f, at, 1) != PCI_CAP_VENDOR || cfg(f, at + 3, 1) != 2)
		at = cfg(f, at + 1, 1);
	return cfg(f, at + off, 4);
}

/* rule 27 */
static void notify_region_holds_1024_queues_and_stays_in_its_bar(void **state)
{
	struct wide *w = *state;
	struct function *f = &w->f;
	const uint32_t offset = notify_cap(f, 8), length = notify_cap(f, 12);
	const uint32_t mult = notify_cap(f, 16);
	unsigned int q;
	uint64_t off;

	assert_true(range_inside(offset, length, VIRTIO_PCI_BAR_SIZE));
	assert_int_equal(bar4(f, NUM_QUEUES, 2), VIRTIO_MAX_QUEUES);
	for (q = 0; q < VIRTIO_MAX_QUEUES; q++) {
		set_bar4(f, QUEUE_SELECT, 2, q);
		off = bar4(f, QUEUE_NOTIFY_OFF, 2) * mult;
		assert_int_equal(offset + off, VIRTIO_PCI_NOTIFY + 4 * q);
		assert_true(off + 2 <= length);
		assert_int_equal(bar4(f, QUEUE_SIZE, 2), VQ_MAX_SIZE);
	}
	set_bar4(f, QUEUE_SELECT, 2, VIRTIO_MAX_QUEUES);
	assert_int_equal(bar4(f, QUEUE_SIZE, 2), 0);
}

/* rules 75, 83 */
static void each_of_1024_queues_can_have_a_vector_of_its_own(void **state)
{
	struct wide *w = *state;
	struct function *f = &w->f;
	unsigned int q;

	assert_int_equal(cfg(f, f->vp.func.msix.cap + 2u, 2),
			 VIRTIO_MAX_QUEUES);
	for (q = 0; q < VIRTIO_MAX_QUEUES; q++) {
		set_bar4(f, QUEUE_SELECT, 2, q);
		set_bar4(f, QUEUE_VECTOR, 2, q + 1);
		assert_int_equal(bar4(f, QUEUE_VECTOR, 2), q + 1);
	}
	set_bar4(f, QUEUE_VECTOR, 2, VIRTIO_MAX_QUEUES + 1);
	assert_int_equal(bar4(f, QUEUE_VECTOR, 2), NO_VECTOR);
}

/* rules 92, 95 */
static void kick_of_the_last_queue_serves_it_and_no_other(void **state)
{
	struct wide *w = *state;
	struct function *f = &w->f;
	struct rig_ring *r = &f->ring[0];
	unsigned int q;

	msix_entry(f, LAST + 1);
	msix_enable(f, true);
	set_bar4(f, DRIVER_FEATURE_SELECT, 4, 1);
	set_bar4(f, DRIVER_FEATURE, 4, 1);
	rig_ring(&f->rig, r, 0, FUNCTION_RING_SIZE);
	set_bar4(f, QUEUE_SELECT, 2, LAST);
	set_bar4(f, QUEUE_SIZE, 2, r->size);
	set_bar4(f, QUEUE_VECTOR, 2, LAST + 1);
	set_bar4(f, QUEUE_DESC, 8, r->desc_gpa);
	set_bar4(f, QUEUE_DRIVER, 8, r->avail_gpa);
	set_bar4(f, QUEUE_DEVICE, 8, r->used_gpa);
	set_bar4(f, QUEUE_ENABLE, 2, 1);
	set_bar4(f, STATUS, 1, FUNCTION_UP);
	rig_turn(&f->vp.virtio, 64);
	rig_desc(r, 0, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(r, 0);
	set_bar4(f, VIRTIO_PCI_NOTIFY + VIRTIO_PCI_NOTIFY_MULT * LAST, 2, LAST);
	rig_turn(&f->vp.virtio, 64);
	assert_int_equal(r->used->idx, 1);
	assert_int_equal(f->sink.nr, 1);
	assert_int_equal(f->sink.message[0].vector, LAST + 1);
	assert_int_equal(f->sink.message[0].data, 0x40 + LAST + 1);
	assert_int_equal(w->runs[LAST], 2);
	for (q = 0; q < LAST; q++)
		assert_int_equal(w->runs[q], 0);
	assert_int_equal(f->vp.virtio.stats.bad_kicks, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(notify_region_holds_1024_queues_and_stays_in_its_bar),
		T(each_of_1024_queues_can_have_a_vector_of_its_own),
		T(kick_of_the_last_queue_serves_it_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
