/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random scripts of register accesses, config writes, buffers, memory that
 * goes and comes, and resets, against the model of the function in model.c.
 * After every step all that a driver or a VMM could see is compared: registers,
 * pending bits, messages, the level of the pin and the signals of its eventfd,
 * used.idx; and nothing was written outside of what was lent.  In the end all
 * is opened, and then each raise that was neither reset away nor sent nowhere
 * has been seen, and no vector sent more messages than it had raises.
 *
 * PROPERTY_SEED=N repeats the script that a failure names; PROPERTY_SCRIPTS=N
 * runs more of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/model.h"
#include "tests/flow/rig.h"

#define SCRIPTS 1000
#define STEPS	150

/* Where rings may be put: good ones, a misaligned one, one in a hole. */
#define DESC_GPA  (RIG_GPA + 0x1000)
#define AVAIL_GPA (RIG_GPA + 0x3000)
#define USED_GPA  (RIG_GPA + 0x4000)
#define BUF_GPA	  (RIG_GPA + 0x8000)
#define HOLE_GPA  (RIG_GPA + RIG_LENT + 0x10000)

struct world {
	struct rig rig;
	struct guest guest;
	struct model m;
	uint64_t random;
	int line_fd;			   /* the pin's */
	unsigned long seen[MODEL_VECTORS]; /* messages in this script */
};

static struct world w;

static uint32_t rnd(uint32_t n)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 7;
	w.random ^= w.random << 17;
	return (uint32_t)(w.random >> 32) % n;
}

/* ---- Steps -------------------------------------------------------------------- */

static void common_write(uint32_t off, unsigned int size, uint64_t value)
{
	rig_access(&w.rig, MSG_WRITE, PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR,
		   VIRTIO_PCI_COMMON + off, (uint8_t)size, value);
}

static uint64_t common_read(uint32_t off, unsigned int size)
{
	return rig_access(&w.rig, MSG_READ, PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR,
			  VIRTIO_PCI_COMMON + off, (uint8_t)size, 0);
}

/* A driver that resets also starts with clean rings. */
static void forget_rings(void)
{
	if (!w.m.status)
		memset(w.rig.mem, 0, 0x8000);
}

static void write_status(uint8_t value)
{
	common_write(GUEST_STATUS, 1, value);
	model_status(&w.m, value);
	forget_rings();
}

static void step_status(void)
{
	static const uint8_t likely[] = { 0, 1, 3, 11, 15, 15, 15, 15, 7, 128 };
	uint8_t value =
		rnd(4) ? likely[rnd(ARRAY_SIZE(likely))] : (uint8_t)rnd(256);

	if (!value && rnd(3))
		value = 15;
	write_status(value);
}

static void write_features(uint32_t sel, uint32_t value)
{
	common_write(GUEST_DRIVER_FEATURE_SELECT, 4, sel);
	common_write(GUEST_DRIVER_FEATURE, 4, value);
	model_features(&w.m, sel, value);
}

static void step_features(void)
{
	static const uint32_t likely[] = { 0, 1, 1u << 28, 1u << 29 };
	uint32_t sel = rnd(6), value = rnd(8) ? sel == 1 : rnd(UINT32_MAX);

	if (sel == 0 && rnd(4))
		value = likely[rnd(3) ? 0 : rnd(ARRAY_SIZE(likely))];
	write_features(sel, value);
	/* The upper 64 bits: any bit there is one too many; keep them 0. */
	if (sel == 2 || sel == 3)
		common_write(GUEST_DRIVER_FEATURE, 4, 0);
}

static void step_select(void)
{
	uint16_t q = rnd(3) ? 0 : (uint16_t)rnd(65536);

	common_write(GUEST_QUEUE_SELECT, 2, q);
	w.m.queue_select = q;
	w.m.device_select = rnd(8);
	common_write(GUEST_DEVICE_FEATURE_SELECT, 4, w.m.device_select);
}

static void write_vector(bool queue, uint16_t v)
{
	common_write(queue ? GUEST_QUEUE_VECTOR : GUEST_CONFIG_VECTOR, 2, v);
	model_vector(&w.m, queue, v);
}

static void step_vector(void)
{
	write_vector(rnd(2), rnd(3) ? (uint16_t)rnd(MODEL_VECTORS)
				    : (uint16_t)rnd(65536));
}

static void step_size(void)
{
	uint16_t size =
		rnd(2) ? (uint16_t)(1u << rnd(10)) : (uint16_t)rnd(65536);

	common_write(GUEST_QUEUE_SIZE_REG, 2, size);
	model_queue_size(&w.m, size);
}

static void write_area(unsigned int i, uint64_t gpa)
{
	uint32_t off = GUEST_QUEUE_DESC + 8 * i;

	switch (rnd(3)) {
	case 0:
		common_write(off, 8, gpa);
		break;
	case 1:
		common_write(off + 4, 4, gpa >> 32);
		common_write(off, 4, (uint32_t)gpa);
		break;
	default: /* one half only */
		common_write(off, 4, (uint32_t)gpa);
		gpa = (w.m.q.area[i] & ~(uint64_t)UINT32_MAX) | (uint32_t)gpa;
	}
	model_area(&w.m, i, gpa);
}

static void step_areas(void)
{
	static const uint64_t good[3] = { DESC_GPA, AVAIL_GPA, USED_GPA };

	for (unsigned int i = 0; i < 3; i++)
		write_area(i, good[i]);
	if (!rnd(6))
		write_area(rnd(3), rnd(2) ? HOLE_GPA : good[0] + 1);
}

static void write_enable(uint16_t value)
{
	common_write(GUEST_QUEUE_ENABLE, 2, value);
	model_enable(&w.m, value);
}

static void step_enable(void)
{
	write_enable(rnd(4) ? 1 : (uint16_t)rnd(3));
}

static void write_entry(unsigned int i, bool masked)
{
	uint64_t address = 0xfee00000 + 0x1000 * rnd(16);
	uint32_t data = rnd(256);

	guest_msix_entry(&w.guest, i, address, data, masked);
	model_entry(&w.m, i, address, data, masked);
}

static void step_entry(void)
{
	write_entry(rnd(MODEL_VECTORS), !rnd(3));
}

static void set_control(bool on, bool closed)
{
	guest_msix_control(&w.guest, on, closed);
	model_msix(&w.m, on, closed);
}

static void step_control(void)
{
	set_control(rnd(4), !rnd(3));
}

static void set_command(bool master)
{
	guest_command(&w.guest, rnd(2), master);
	model_master(&w.m, master);
}

static void step_command(void)
{
	set_command(rnd(4));
}

static void set_pin_disable(bool on)
{
	guest_intx_disable(&w.guest, on);
	model_pin_disable(&w.m, on);
}

static void step_pin(void)
{
	set_pin_disable(!rnd(3));
}

static void end_line(void)
{
	assert_int_equal(link_line_control(&w.rig.link, PCIRING_LINE_INTX,
					   RIG_BDF, PCIRING_IRQ_UNMASK),
			 0);
	model_line_end(&w.m);
}

static void step_line(void)
{
	if (rnd(5)) {
		end_line();
		return;
	}
	assert_int_equal(link_line_control(&w.rig.link, PCIRING_LINE_INTX,
					   RIG_BDF, PCIRING_IRQ_MASK),
			 0);
	model_line_mask(&w.m);
}

static void step_memory(void)
{
	assert_int_equal(w.m.lent ? rig_take_back(&w.rig) : rig_lend(&w.rig),
			 0);
	w.m.lent = !w.m.lent;
}

static void kick(void)
{
	rig_access(&w.rig, rnd(2) ? MSG_WRITE : MSG_POSTED,
		   PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR, VIRTIO_PCI_NOTIFY, 2,
		   0);
}

/* One more buffer of 16 bytes, where the driver said its rings are good. */
static void step_offer(void)
{
	struct guest_desc d = { .addr = BUF_GPA,
				.len = 16,
				.flags = GUEST_DESC_WRITE };
	uint16_t head, at;

	if (!model_ring_is_there(&w.m) || !w.m.q.enabled || w.m.q.broken ||
	    (uint16_t)(w.m.q.avail - w.m.q.used) >= w.m.q.size) {
		kick();
		return;
	}
	head = w.m.q.avail % w.m.q.size;
	at = (uint16_t)(4 + 2 * head);
	memcpy(w.rig.mem + (DESC_GPA - RIG_GPA) + 16 * head, &d, sizeof(d));
	memcpy(w.rig.mem + (AVAIL_GPA - RIG_GPA) + at, &head, 2);
	w.m.q.avail++;
	/* With EVENT_IDX: the interrupt we want is the next. */
	memcpy(w.rig.mem + (AVAIL_GPA - RIG_GPA) + 4 + 2 * w.m.q.size,
	       &w.m.q.used, 2);
	memcpy(w.rig.mem + (AVAIL_GPA - RIG_GPA) + 2, &w.m.q.avail, 2);
	kick();
}

static void step_isr(void)
{
	assert_int_equal(guest_isr(&w.guest), w.m.isr);
	model_isr_read(&w.m);
}

static void step_reset(void)
{
	if (rnd(4))
		return;
	assert_int_equal(link_reset(&w.rig.link, RIG_BDF), 0);
	model_flr(&w.m);
	forget_rings();
}

/* What a good driver does, all of it, so that scripts get somewhere. */
static void step_bring_up(void)
{
	static const uint64_t good[3] = { DESC_GPA, AVAIL_GPA, USED_GPA };

	common_write(GUEST_STATUS, 1, 0);
	model_reset(&w.m);
	forget_rings();
	write_features(0, rnd(2) ? (uint32_t)GUEST_F_EVENT_IDX : 0);
	write_features(1, 1);
	write_status(GUEST_ACKNOWLEDGE | GUEST_DRIVER | GUEST_FEATURES_OK);
	set_command(true);
	set_control(rnd(3), false);
	if (!rnd(3))
		set_pin_disable(false);
	for (unsigned int i = 0; i < MODEL_VECTORS; i++)
		write_entry(i, false);
	common_write(GUEST_QUEUE_SELECT, 2, 0);
	w.m.queue_select = 0;
	write_vector(false, 0);
	write_vector(true, 1);
	for (unsigned int i = 0; i < 3; i++) {
		common_write(GUEST_QUEUE_DESC + 8 * i, 8, good[i]);
		model_area(&w.m, i, good[i]);
	}
	write_enable(1);
	write_status(GUEST_DRIVER_OK);
}

/* Nothing here names a register: nothing may happen. */
static void step_nonsense(void)
{
	static const uint8_t spaces[] = { PCIRING_SPACE_BAR0,
					  PCIRING_SPACE_BAR0 + 5,
					  PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR };

	rig_access(&w.rig, MSG_WRITE, spaces[rnd(3)], 0x800 + rnd(0x700), 4,
		   rnd(UINT32_MAX));
	common_write(rnd(4) ? GUEST_NUM_QUEUES : GUEST_GENERATION, 1, rnd(256));
	common_write(GUEST_QUEUE_NOTIFY_OFF, 2, rnd(65536));
	common_write(GUEST_DEVICE_FEATURE, 4, rnd(UINT32_MAX));
}

typedef void step_fn(void);
static step_fn *const steps[] = {
	step_status,   step_status, step_features, step_features,
	step_select,   step_vector, step_size,	   step_areas,
	step_areas,    step_enable, step_entry,	   step_control,
	step_command,  step_memory, step_offer,	   step_offer,
	step_offer,    step_isr,    step_reset,	   step_nonsense,
	step_bring_up, step_offer,  step_offer,	   step_offer,
	step_pin,      step_line,   step_line,	   step_isr,
};

/* ---- After each step ------------------------------------------------------------ */

static void compare_queue(void)
{
	const struct model *m = &w.m;
	bool here = m->queue_select == 0;

	assert_int_equal(common_read(GUEST_QUEUE_SELECT, 2), m->queue_select);
	assert_int_equal(common_read(GUEST_QUEUE_SIZE_REG, 2),
			 here ? m->q.size : 0);
	assert_int_equal(common_read(GUEST_QUEUE_ENABLE, 2),
			 here && m->q.enabled);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(common_read(GUEST_QUEUE_DESC + 8 * i, 8),
				 here ? m->q.area[i] : 0);
	if (here)
		assert_int_equal(common_read(GUEST_QUEUE_VECTOR, 2),
				 m->q.vector);
}

static void compare_registers(void)
{
	const struct model *m = &w.m;
	uint32_t word = m->device_select == 0 ? (uint32_t)MODEL_OFFERED
			: m->device_select == 1
				? (uint32_t)(MODEL_OFFERED >> 32)
				: 0;

	assert_int_equal(common_read(GUEST_STATUS, 1), m->status);
	assert_int_equal(common_read(GUEST_CONFIG_VECTOR, 2), m->config_vector);
	assert_int_equal(common_read(GUEST_NUM_QUEUES, 2), 1);
	assert_int_equal(common_read(GUEST_DEVICE_FEATURE, 4), word);
	if (m->driver_select < 2)
		assert_int_equal(
			common_read(GUEST_DRIVER_FEATURE, 4),
			(uint32_t)(m->features >> 32 * m->driver_select));
	compare_queue();
}

static void compare_interrupts(void)
{
	struct msg_irq got[16];
	unsigned int n;

	n = channel_get_irqs(&w.rig.client, got, ARRAY_SIZE(got));
	assert_int_equal(n, w.m.nr_sent);
	for (unsigned int i = 0; i < n; i++) {
		assert_memory_equal(&got[i], &w.m.sent[i], sizeof(got[i]));
		w.seen[got[i].what]++;
		w.m.v[got[i].what].unseen = false;
	}
	w.m.nr_sent = 0;
	for (unsigned int i = 0; i < MODEL_VECTORS; i++)
		assert_int_equal(guest_msix_pending(&w.guest, i),
				 w.m.v[i].pending);
}

static void compare_pin(void)
{
	uint64_t count = 0;

	assert_int_equal(w.rig.function->vp.func.intx.high, w.m.line.high);
	assert_int_equal(guest_intx_status(&w.guest), model_has_cause(&w.m));
	if (read(w.line_fd, &count, sizeof(count)) < 0)
		assert_int_equal(errno, EAGAIN);
	assert_int_equal(count, w.m.line.signals);
	w.m.line.signals = 0;
}

static void compare(void)
{
	uint16_t used;

	compare_registers();
	compare_interrupts();
	compare_pin();
	memcpy(&used, w.rig.mem + (USED_GPA - RIG_GPA) + 2, 2);
	assert_int_equal(used, w.m.q.used);
	assert_true(rig_guards_hold(&w.rig));
}

static void bind_line(void)
{
	int old;

	w.line_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(link_line_bind(&w.rig.link, PCIRING_LINE_INTX, RIG_BDF,
					dup(w.line_fd), &old),
			 0);
}

/* Whatever was kept has a way now. */
static void open_all(void)
{
	set_command(true);
	compare();
	for (unsigned int i = 0; i < MODEL_VECTORS; i++) {
		write_entry(i, false);
		compare();
	}
	set_control(true, false);
	compare();
	for (unsigned int i = 0; i < MODEL_VECTORS; i++) {
		assert_false(w.m.v[i].unseen);
		assert_true(w.seen[i] <= w.m.v[i].raised);
	}
	set_control(false, false);
	compare();
	set_pin_disable(false);
	compare();
	end_line();
	assert_int_equal(w.m.line.signals, w.m.isr != 0);
	compare();
}

static void one_script(uint64_t seed)
{
	w.random = seed * 0x9e3779b97f4a7c15ull + 1;
	assert_int_equal(rig_init(&w.rig, PCIRING_SCOPE_FUNCTION, false), 0);
	rig_guest(&w.rig, &w.guest);
	assert_int_equal(guest_find_caps(&w.guest), 0);
	w.m = (struct model){
		.gpa = RIG_GPA,
		.size = RIG_LENT,
		.requester_id = RIG_BDF,
		.lent = true,
		.reached = w.m.reached,
	};
	model_flr(&w.m);
	memset(w.seen, 0, sizeof(w.seen));
	bind_line();
	for (unsigned int i = 0; i < STEPS; i++) {
		steps[rnd(ARRAY_SIZE(steps))]();
		assert_true(rig_run(&w.rig, 64));
		model_run(&w.m);
		compare();
	}
	open_all();
	close(w.line_fd);
	rig_fini(&w.rig);
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* rules 20, 40, 43, 45, 55, 60, 65, 70, 74, 79, 122 */
static void random_scripts_agree_with_the_model(void **state)
{
	unsigned long first = from_environment("PROPERTY_SEED", 0);
	unsigned long n =
		from_environment("PROPERTY_SCRIPTS", first ? 1 : SCRIPTS);
	unsigned long *seed = *state;

	for (*seed = first; *seed < first + n; (*seed)++)
		one_script(*seed);
	print_message("# %lu messages, %lu latched, %lu chains, %lu broken, "
		      "%lu paused, %lu signals\n",
		      w.m.reached.messages, w.m.reached.latched,
		      w.m.reached.used, w.m.reached.broken, w.m.reached.paused,
		      w.m.reached.signals);
	if (n < SCRIPTS)
		return;
	assert_true(w.m.reached.messages > SCRIPTS &&
		    w.m.reached.used > SCRIPTS);
	assert_true(w.m.reached.latched > SCRIPTS / 10);
	assert_true(w.m.reached.broken > SCRIPTS / 10);
	assert_true(w.m.reached.paused > SCRIPTS / 10);
	assert_true(w.m.reached.signals > SCRIPTS / 2);
}

static unsigned long seed_of_failure;

static int set_up(void **state)
{
	*state = &seed_of_failure;
	return 0;
}

static int say_seed(void **state)
{
	(void)state;
	print_message("# last script: PROPERTY_SEED=%lu\n", seed_of_failure);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			random_scripts_agree_with_the_model, set_up, say_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
