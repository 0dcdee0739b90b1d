/* SPDX-License-Identifier: BSD-3-Clause */
/* ISR and the pin, plain MSI, and how it all looks from outside. */
#include "transport/virtio_pci/virtio_pci.h"
#include "transport/pci/root.h"
#include "transport/virtio_pci/test_function.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#define COMMAND_UP (PCI_COMMAND_MEM | PCI_COMMAND_MASTER)

static bool status_3(struct function *f)
{
	return cfg(f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
}

static void intx_disable(struct function *f, bool on)
{
	set_cfg(f, PCI_COMMAND, 2,
		COMMAND_UP | (on ? PCI_COMMAND_INTX_DISABLE : 0));
}

/* rules 68, 70 */
static void line_is_high_from_the_first_isr_bit_until_it_is_read(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	assert_false(f.line.high || status_3(&f));
	use_one(&f, 0);
	assert_true(f.line.high && status_3(&f));
	use_one(&f, 1);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(f.sink.nr_levels, 1);
	assert_int_equal(isr(&f), 3);
	assert_false(f.line.high || status_3(&f));
	assert_int_equal(f.sink.nr_levels, 2);
	assert_int_equal(isr(&f), 0);
	virtio_config_changed(&f.vp.virtio);
	assert_true(f.line.high && status_3(&f));
	/* Bytes beside ISR are not ISR. */
	bar4(&f, VIRTIO_PCI_ISR + 1, 1);
	assert_true(f.line.high);
	assert_int_equal(f.sink.nr, 0);
	function_end(&f);
}

/* rule 70 */
static void status_3_is_isr_whatever_intx_disable_says(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	intx_disable(&f, true);
	use_one(&f, 0);
	assert_true(status_3(&f));
	assert_false(f.line.high);
	intx_disable(&f, false);
	assert_true(f.line.high);
	intx_disable(&f, true);
	assert_false(f.line.high);
	assert_int_equal(isr(&f), 1);
	assert_false(status_3(&f));
	intx_disable(&f, false);
	assert_false(f.line.high);
	assert_int_equal(f.sink.nr_levels, 2);
	function_end(&f);
}

/* rule 70 */
static void enabling_msix_lowers_the_line_and_disabling_raises_it(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	use_one(&f, 0);
	msix_enable(&f, true);
	assert_false(f.line.high || status_3(&f));
	msix_enable(&f, false);
	assert_true(f.line.high && status_3(&f));
	assert_int_equal(isr(&f), 1);
	msix_enable(&f, true);
	virtio_config_changed(&f.vp.virtio);
	assert_false(f.line.high || status_3(&f));
	/* The configuration bit is kept under MSI-X too, so it shows now. */
	msix_enable(&f, false);
	assert_true(f.line.high && status_3(&f));
	assert_int_equal(isr(&f), 2);
	assert_false(f.line.high);
	function_end(&f);
}

static struct {
	uint16_t idx;
	uint8_t isr;
	bool status;
	unsigned int rises;
} at_rise;

static enum irq_result look(struct irq_stage *stage, uint32_t pin, bool high)
{
	struct function *f =
		container_of(container_of(stage, struct sink_record, stage),
			     struct function, sink);

	(void)pin;
	if (!high)
		return IRQ_QUEUED;
	at_rise.rises++;
	at_rise.idx = f->ring[0].used->idx;
	at_rise.isr = f->vp.s.isr;
	at_rise.status = status_3(f);
	return IRQ_QUEUED;
}

/* rule 71 */
static void line_rises_after_used_idx_isr_and_status(void **state)
{
	static const struct irq_stage_ops ops = { .set = look };
	struct function f;

	(void)state;
	function_up(&f, false);
	memset(&at_rise, 0, sizeof(at_rise));
	f.sink.stage.ops = &ops;
	use_one(&f, 0);
	assert_int_equal(at_rise.rises, 1);
	assert_int_equal(at_rise.idx, 1);
	assert_int_equal(at_rise.isr, 1);
	assert_true(at_rise.status);
	isr(&f);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(at_rise.rises, 2);
	assert_int_equal(at_rise.isr, 2);
	function_end(&f);
}

/* rule 82 */
static void no_vector_does_not_fall_back_to_the_pin(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	set_bar4(&f, CONFIG_VECTOR, 2, NO_VECTOR);
	set_bar4(&f, QUEUE_SELECT, 2, 0);
	set_bar4(&f, QUEUE_VECTOR, 2, NO_VECTOR);
	use_one(&f, 0);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(f.sink.nr_levels, 0);
	assert_int_equal(f.sink.nr, 0);
	assert_false(status_3(&f));
	assert_int_equal(f.vp.stats.no_vector, 2);
	function_end(&f);
}

/* rule 87 */
static void suppressed_interrupt_leaves_isr_and_line_alone(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	f.ring[0].avail->flags = 1;
	use_one(&f, 0);
	assert_int_equal(f.ring[0].used->idx, 1);
	assert_false(f.line.high || status_3(&f));
	assert_int_equal(isr(&f), 0);
	/* What is set already stays set, and the other news is not affected. */
	virtio_config_changed(&f.vp.virtio);
	use_one(&f, 0);
	assert_true(f.line.high);
	assert_int_equal(isr(&f), 2);
	function_end(&f);
}

/* rule 55 */
static void reset_of_virtio_lowers_the_line(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	use_one(&f, 0);
	set_bar4(&f, STATUS, 1, 0);
	assert_false(f.line.high || status_3(&f));
	assert_int_equal(f.sink.nr_levels, 2);
	function_end(&f);
}

/* rules 23, 70 */
static void reset_of_the_function_does_not_let_isr_through(void **state)
{
	struct function f;
	unsigned int msix, disable;

	(void)state;
	for (msix = 0; msix < 2; msix++)
		for (disable = 0; disable < 2; disable++) {
			const unsigned int high = !msix && !disable;

			function_up(&f, msix);
			intx_disable(&f, disable);
			virtio_config_changed(&f.vp.virtio);
			assert_int_equal(f.line.high, high);
			pci_func_reset(&f.vp.func);
			assert_false(f.line.high || status_3(&f));
			/* Up and down if it was high before, and no more. */
			assert_int_equal(f.sink.nr_levels, 2 * high);
			assert_int_equal(isr(&f), 0);
			function_end(&f);
		}
}

/* Bus 1 hangs behind device 1, so INTA of its device 3 is INTA of device 4. */
struct tree {
	struct bus mmio, pio;
	struct pci_root root;
	struct pci_bus bus;
	struct irq_line line[INTX_PINS];
	struct sink_record sink;
	struct function f[2];
};

static void tree_up(struct tree *t)
{
	struct irq_line *line[INTX_PINS];
	unsigned int i;

	memset(t, 0, sizeof(*t));
	bus_init(&t->mmio, UINT64_MAX);
	bus_init(&t->pio, 0xffff);
	assert_int_equal(pci_root_init(&t->root, &t->mmio, &t->pio, 0), 0);
	sink_record_init(&t->sink);
	for (i = 0; i < INTX_PINS; i++) {
		line[i] = &t->line[i];
		irq_line_init(line[i], "root", &t->sink.stage, i);
	}
	pci_root_set_lines(&t->root, line);
	assert_int_equal(pci_root_add_bus(&t->root, &t->bus, 1, 0, 1), 0);
	function_up(&t->f[0], false);
	function_up(&t->f[1], false);
	assert_int_equal(
		pci_root_plug(&t->root, &t->f[0].vp.func, bdf_make(0, 4, 0)),
		0);
	assert_int_equal(
		pci_root_plug(&t->root, &t->f[1].vp.func, bdf_make(1, 3, 0)),
		0);
}

static void tree_down(struct tree *t)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		pci_root_unplug(&t->root, &t->f[i].vp.func);
		function_end(&t->f[i]);
	}
	pci_root_remove_bus(&t->root, &t->bus);
	pci_root_fini(&t->root);
	bus_fini(&t->mmio);
	bus_fini(&t->pio);
}

/* rules 72, 73 */
static void two_functions_share_a_root_line_across_a_bridge(void **state)
{
	static struct tree t;

	(void)state;
	tree_up(&t);
	use_one(&t.f[0], 0);
	use_one(&t.f[1], 0);
	assert_int_equal(t.sink.nr_levels, 1);
	assert_int_equal(t.sink.level[0].pin, 0);
	assert_true(t.sink.level[0].high);
	/* The handlers of a shared line: both look, each at its own. */
	assert_int_equal(isr(&t.f[0]), 1);
	assert_true(t.line[0].high);
	assert_false(status_3(&t.f[0]));
	assert_true(status_3(&t.f[1]));
	use_one(&t.f[0], 0);
	assert_int_equal(isr(&t.f[1]), 1);
	assert_true(t.line[0].high);
	assert_int_equal(t.sink.nr_levels, 1);
	assert_int_equal(isr(&t.f[0]), 1);
	assert_false(t.line[0].high);
	assert_int_equal(t.sink.nr_levels, 2);
	tree_down(&t);
}

static uint64_t signals(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* rule 74 */
static void raise_between_isr_read_and_eoi_is_delivered_by_the_eoi(void **state)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct sink_line sink;
	struct function f;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(sink_line_init(&sink, "INTA"), 0);
	function_up(&f, false);
	irq_line_set_next(&f.line, &sink.stage, 0);
	sink_line_bind(&sink, fd);
	use_one(&f, 0);
	assert_int_equal(signals(fd), 1);
	assert_int_equal(isr(&f), 1);
	use_one(&f, 1);
	assert_int_equal(signals(fd), 0);
	sink_line_resample(&sink);
	assert_int_equal(signals(fd), 1);
	assert_int_equal(isr(&f), 1);
	sink_line_resample(&sink);
	assert_int_equal(signals(fd), 0);
	/* And one EOI of a line nobody has served yet is one signal more. */
	use_one(&f, 0);
	assert_int_equal(signals(fd), 1);
	sink_line_resample(&sink);
	assert_int_equal(signals(fd), 1);
	function_end(&f);
	sink_line_fini(&sink);
}

/* rule 86 */
static void plain_msi_is_one_message_for_each_time_isr_is_set(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	add_msi(&f, 0xfee01000, 0x51);
	msi_enable(&f, true);
	use_one(&f, 0);
	use_one(&f, 1);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(f.sink.nr, 1);
	assert_int_equal(f.sink.message[0].address, 0xfee01000);
	assert_int_equal(f.sink.message[0].data, 0x51);
	assert_true(status_3(&f));
	assert_int_equal(isr(&f), 3);
	use_one(&f, 0);
	assert_int_equal(f.sink.nr, 2);
	assert_int_equal(f.sink.nr_levels, 0);
	/* A guest that enables MSI-X too has the vectors' messages only. */
	msix_entry(&f, 0);
	set_bar4(&f, CONFIG_VECTOR, 2, 0);
	msix_enable(&f, true);
	assert_int_equal(isr(&f), 1);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(f.sink.nr, 3);
	assert_int_equal(f.sink.message[2].data, 0x40);
	assert_int_equal(f.sink.nr_levels, 0);
	function_end(&f);
}

/* rule 54 */
static void plain_msi_latched_before_a_reset_is_not_sent_after_it(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	add_msi(&f, 0xfee01000, 0x51);
	msi_enable(&f, true);
	f.sink.refuse = true;
	use_one(&f, 0);
	assert_true(msi_is_pending(&f.vp.func.msi.bank, 0));
	set_bar4(&f, STATUS, 1, 0);
	f.sink.refuse = false;
	msi_bank_flush(&f.vp.func.msi.bank);
	assert_int_equal(f.sink.nr, 0);
	function_end(&f);
}

static unsigned int edges(const struct irq_stage *s, struct irq_stage **to)
{
	struct irq_edge e;
	unsigned int n = 0;

	while (s->ops->edge(s, n, &e)) {
		assert_int_equal(e.pin, IRQ_NO_PIN);
		to[n++] = e.to;
	}
	return n;
}

static void graph_leads_from_the_device_to_bank_and_line(void **state)
{
	struct irq_stage *to[4] = { NULL };
	struct function f;

	(void)state;
	function_up(&f, false);
	assert_int_equal(edges(&f.vp.virtio.stage, to), 1);
	assert_ptr_equal(to[0], &f.vp.stage);
	assert_int_equal(edges(&f.vp.stage, to), 2);
	assert_ptr_equal(to[0], &f.vp.func.msix.bank.stage);
	assert_ptr_equal(to[1], &f.line.stage);
	add_msi(&f, 0, 0);
	assert_int_equal(edges(&f.vp.stage, to), 3);
	assert_ptr_equal(to[1], &f.vp.func.msi.bank.stage);
	irq_source_connect(&f.vp.func.intx, NULL);
	assert_int_equal(edges(&f.vp.stage, to), 2);
	function_end(&f);
}

static struct irq_view view(const struct irq_stage *s)
{
	struct irq_view v = { .level = -1 };

	s->ops->view(s, &v);
	return v;
}

static void stage_counts_what_came_of_each_raise(void **state)
{
	struct function f;
	struct irq_view v;

	(void)state;
	function_up(&f, false);
	f.vp.func.bdf = bdf_make(1, 31, 7);
	use_one(&f, 0);
	use_one(&f, 1);
	v = view(&f.vp.stage);
	assert_string_equal(f.vp.stage.ops->kind, "virtio-pci");
	assert_string_equal(v.name, "01:1f.7");
	assert_int_equal(v.level, 1);
	assert_int_equal(v.count.fired, 1);
	assert_int_equal(v.count.coalesced, 1);
	msix_enable(&f, true);
	assert_int_equal(view(&f.vp.stage).level, 0);
	use_one(&f, 2);
	virtio_config_changed(&f.vp.virtio);
	set_bar4(&f, CONFIG_VECTOR, 2, 3);
	virtio_config_changed(&f.vp.virtio);
	v = view(&f.vp.stage);
	assert_int_equal(v.count.dropped, 2);
	assert_int_equal(v.count.fired, 2);
	assert_int_equal(v.count.coalesced, 1);
	f.vp.func.bdf = 0;
	function_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			line_is_high_from_the_first_isr_bit_until_it_is_read),
		cmocka_unit_test(status_3_is_isr_whatever_intx_disable_says),
		cmocka_unit_test(
			enabling_msix_lowers_the_line_and_disabling_raises_it),
		cmocka_unit_test(line_rises_after_used_idx_isr_and_status),
		cmocka_unit_test(no_vector_does_not_fall_back_to_the_pin),
		cmocka_unit_test(
			suppressed_interrupt_leaves_isr_and_line_alone),
		cmocka_unit_test(reset_of_virtio_lowers_the_line),
		cmocka_unit_test(
			reset_of_the_function_does_not_let_isr_through),
		cmocka_unit_test(
			two_functions_share_a_root_line_across_a_bridge),
		cmocka_unit_test(
			raise_between_isr_read_and_eoi_is_delivered_by_the_eoi),
		cmocka_unit_test(
			plain_msi_is_one_message_for_each_time_isr_is_set),
		cmocka_unit_test(
			plain_msi_latched_before_a_reset_is_not_sent_after_it),
		cmocka_unit_test(graph_leads_from_the_device_to_bank_and_line),
		cmocka_unit_test(stage_counts_what_came_of_each_raise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
