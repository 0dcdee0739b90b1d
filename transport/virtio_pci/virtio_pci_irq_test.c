/* SPDX-License-Identifier: BSD-3-Clause */
/* ISR, vectors and messages. */
#include "transport/virtio_pci/virtio_pci.h"
#include "transport/virtio_pci/test_function.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

/* The vectors of the messages since the last call, one bit each. */
static unsigned int sent(struct function *f)
{
	unsigned int vectors = 0;
	unsigned int i;

	for (i = 0; i < f->sink.nr; i++)
		vectors |= BIT(f->sink.message[i].vector);
	f->sink.nr = 0;
	return vectors;
}

/* rule 68 */
static void isr_is_cleared_by_reading(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	use_one(&f, 0);
	assert_int_equal(isr(&f), 1);
	assert_int_equal(isr(&f), 0);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(isr(&f), 2);
	use_one(&f, 1);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(isr(&f), 3);
	assert_int_equal(isr(&f), 0);
	function_end(&f);
}

/* rule 68 */
static void isr_takes_wider_reads_and_no_writes(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	use_one(&f, 0);
	set_bar4(&f, VIRTIO_PCI_ISR, 1, 0);
	assert_int_equal(bar4(&f, VIRTIO_PCI_ISR + 1, 1), 0);
	assert_int_equal(bar4(&f, VIRTIO_PCI_ISR, 4), 1);
	assert_int_equal(isr(&f), 0);
	function_end(&f);
}

/* rule 69 */
static void isr_config_bit_is_set_with_msix_too(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(isr(&f), 2);
	assert_int_equal(sent(&f), BIT(0));
	function_end(&f);
}

/* rule 69 */
static void isr_queue_bit_is_set_without_msix_only(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	use_one(&f, 0);
	assert_int_equal(isr(&f), 0);
	msix_enable(&f, false);
	use_one(&f, 0);
	assert_int_equal(isr(&f), 1);
	function_end(&f);
}

/* rule 55 */
static void isr_is_cleared_by_reset(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	use_one(&f, 0);
	set_bar4(&f, STATUS, 1, 0);
	assert_int_equal(isr(&f), 0);
	function_end(&f);
}

/* rule 54 */
static void message_latched_before_a_reset_is_not_sent_after_it(void **state)
{
	struct function f;
	unsigned int held;

	(void)state;
	for (held = 0; held < 3; held++) {
		function_up(&f, true);
		if (held == 0)
			pci_func_bar_write(&f.vp.func, VIRTIO_PCI_MSIX_BAR,
					   16 + 12, 4, 1);
		else if (held == 1)
			set_cfg(&f, f.vp.func.msix.cap + 2u, 2, 0xc000);
		else
			f.sink.refuse = true;
		use_one(&f, 0);
		assert_true(msi_is_pending(&f.vp.func.msix.bank, 1));
		set_bar4(&f, STATUS, 1, 0);
		msix_entry(&f, 1);
		msix_enable(&f, true);
		f.sink.refuse = false;
		msi_bank_flush(&f.vp.func.msix.bank);
		assert_int_equal(sent(&f), 0);
		function_end(&f);
	}
}

/* rule 71 */
static void message_of_a_queue_has_its_vector_s_address_and_data(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	use_one(&f, 1);
	assert_int_equal(f.sink.nr, 1);
	assert_int_equal(f.sink.message[0].vector, 2);
	assert_int_equal(f.sink.message[0].address, 0xfee00020);
	assert_int_equal(f.sink.message[0].data, 0x42);
	assert_int_equal(f.ring[1].used->idx, 1);
	function_end(&f);
}

static uint16_t idx_when_sent;
static uint8_t isr_when_sent;

static enum irq_result look(struct irq_stage *stage,
			    const struct msi_message *m)
{
	struct function *f =
		container_of(container_of(stage, struct sink_record, stage),
			     struct function, sink);

	(void)m;
	idx_when_sent = f->ring[0].used->idx;
	isr_when_sent = f->vp.s.isr;
	return IRQ_QUEUED;
}

/* rule 71 */
static void message_comes_after_used_idx_and_isr(void **state)
{
	static const struct irq_stage_ops ops = { .send = look };
	struct function f;

	(void)state;
	function_up(&f, true);
	f.sink.stage.ops = &ops;
	use_one(&f, 0);
	assert_int_equal(idx_when_sent, 1);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(isr_when_sent, 2);
	function_end(&f);
}

/* rule 83 */
static void message_of_several_queues_can_share_a_vector(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	set_bar4(&f, CONFIG_VECTOR, 2, 3);
	set_bar4(&f, QUEUE_SELECT, 2, 0);
	set_bar4(&f, QUEUE_VECTOR, 2, 3);
	use_one(&f, 0);
	assert_int_equal(sent(&f), BIT(3));
	use_one(&f, 2);
	assert_int_equal(sent(&f), BIT(3));
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(sent(&f), BIT(3));
	function_end(&f);
}

/* rule 82 */
static void message_of_no_vector_is_silence(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	set_bar4(&f, CONFIG_VECTOR, 2, NO_VECTOR);
	set_bar4(&f, QUEUE_SELECT, 2, 0);
	set_bar4(&f, QUEUE_VECTOR, 2, NO_VECTOR);
	use_one(&f, 0);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(f.ring[0].used->idx, 1);
	assert_int_equal(sent(&f), 0);
	assert_int_equal(f.vp.stats.interrupts, 0);
	/* No fallback either: the queue bit is not for MSI-X. */
	assert_int_equal(isr(&f), 2);
	function_end(&f);
}

/* rule 84 */
static void message_follows_a_vector_written_while_the_queue_runs(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	set_bar4(&f, QUEUE_SELECT, 2, 0);
	set_bar4(&f, QUEUE_VECTOR, 2, 3);
	use_one(&f, 0);
	assert_int_equal(sent(&f), BIT(3));
	function_end(&f);
}

/* rule 87 */
static void message_is_not_sent_when_the_driver_wants_none(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	f.ring[0].avail->flags = 1;
	use_one(&f, 0);
	assert_int_equal(f.ring[0].used->idx, 1);
	assert_int_equal(sent(&f), 0);
	assert_false(msi_is_pending(&f.vp.func.msix.bank, 1));
	assert_int_equal(f.vp.virtio.queue[0].stats.suppressed, 1);
	/* The other news is not affected. */
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(sent(&f), BIT(0));
	function_end(&f);
}

/* rules 51, 62 */
static void message_is_never_sent_before_or_at_driver_ok(void **state)
{
	struct function f;
	unsigned int v;

	(void)state;
	function_begin(&f);
	for (v = 0; v <= TEST_QUEUES; v++)
		msix_entry(&f, v);
	msix_enable(&f, true);
	set_bar4(&f, CONFIG_VECTOR, 2, 0);
	set_bar4(&f, DRIVER_FEATURE_SELECT, 4, 1);
	set_bar4(&f, DRIVER_FEATURE, 4, 1);
	queue_up(&f, 0, 1);
	virtio_config_changed(&f.vp.virtio);
	use_one(&f, 0);
	assert_int_equal(f.ring[0].used->idx, 0);
	assert_int_equal(sent(&f), 0);
	set_bar4(&f, STATUS, 1, FUNCTION_UP);
	assert_int_equal(sent(&f), 0);
	function_end(&f);
}

/* rule 22 */
static void message_while_not_bus_master_is_latched(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	set_cfg(&f, PCI_COMMAND, 2, PCI_COMMAND_MEM);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(sent(&f), 0);
	assert_true(msi_is_pending(&f.vp.func.msix.bank, 0));
	set_cfg(&f, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	assert_int_equal(sent(&f), BIT(0));
	function_end(&f);
}

/* rule 22 */
static void queue_waits_for_bus_mastering_and_goes_on(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	set_cfg(&f, PCI_COMMAND, 2, PCI_COMMAND_MEM);
	use_one(&f, 0);
	assert_int_equal(f.ring[0].used->idx, 0);
	set_cfg(&f, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	assert_int_equal(f.works, 1);
	rig_turn(&f.vp.virtio, 64);
	assert_int_equal(f.ring[0].used->idx, 1);
	assert_int_equal(sent(&f), BIT(1));
	function_end(&f);
}

/* rules 65, 118 */
static void broken_queue_sends_one_configuration_message(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	rig_offer(&f.ring[0], FUNCTION_RING_SIZE);
	set_bar4(&f, VIRTIO_PCI_NOTIFY, 2, 0);
	rig_turn(&f.vp.virtio, 64);
	assert_int_equal(f.sink.nr, 1);
	assert_int_equal(sent(&f), BIT(0));
	assert_int_equal(bar4(&f, STATUS, 1), FUNCTION_UP | VIRTIO_NEEDS_RESET);
	assert_int_equal(isr(&f), 2);
	use_one(&f, 1);
	assert_int_equal(sent(&f), BIT(2));
	function_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(isr_is_cleared_by_reading),
		cmocka_unit_test(isr_takes_wider_reads_and_no_writes),
		cmocka_unit_test(isr_config_bit_is_set_with_msix_too),
		cmocka_unit_test(isr_queue_bit_is_set_without_msix_only),
		cmocka_unit_test(isr_is_cleared_by_reset),
		cmocka_unit_test(
			message_latched_before_a_reset_is_not_sent_after_it),
		cmocka_unit_test(
			message_of_a_queue_has_its_vector_s_address_and_data),
		cmocka_unit_test(message_comes_after_used_idx_and_isr),
		cmocka_unit_test(message_of_several_queues_can_share_a_vector),
		cmocka_unit_test(message_of_no_vector_is_silence),
		cmocka_unit_test(
			message_follows_a_vector_written_while_the_queue_runs),
		cmocka_unit_test(
			message_is_not_sent_when_the_driver_wants_none),
		cmocka_unit_test(message_is_never_sent_before_or_at_driver_ok),
		cmocka_unit_test(message_while_not_bus_master_is_latched),
		cmocka_unit_test(queue_waits_for_bus_mastering_and_goes_on),
		cmocka_unit_test(broken_queue_sends_one_configuration_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
