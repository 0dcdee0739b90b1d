/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/test_console.h"

static void simple_driver_has_port_0_and_no_messages(void **state)
{
	struct test t;
	int fd;

	(void)state;
	begin(&t, BIT(CONSOLE_F_SIZE));
	assert_int_equal(virtio_config_read(&t.v, 0, 2), 100);
	assert_int_equal(virtio_config_read(&t.v, 2, 2), 40);
	assert_int_equal(virtio_config_read(&t.v, 4, 4), 3);
	fd = open(path_of("tty"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	offer(&t, 1, "login: ", 7);
	hear(&t, fd, "login: ");
	assert_true(used(&t, 1));
	offer(&t, 0, NULL, 64);
	assert_int_equal(write(fd, "root", 4), 4);
	expect_input(&t, 0, "root");
	offer(&t, CONSOLE_CONTROL_RX, NULL, 128);
	control(&t, 0, DEVICE_READY, 1);
	expect_silence(&t);
	assert_int_equal(bad(&t, CONSOLE_CONTROL_TX), 1);
	close(fd);
	end(&t);
}

static void guest_is_told_who_comes_and_goes(void **state)
{
	struct test t;
	int fd;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	open_agent(&t);
	fd = connect_to("sock");
	expect(&t, 1, PORT_OPEN, 1, 0);
	offer(&t, 4, NULL, 64);
	assert_int_equal(write(fd, "ping", 4), 4);
	expect_input(&t, 4, "ping");
	offer(&t, 5, "pong", 4);
	hear(&t, fd, "pong");
	close(fd);
	expect(&t, 1, PORT_OPEN, 0, 0);
	fd = connect_to("sock");
	expect(&t, 1, PORT_OPEN, 1, 0);
	offer(&t, 5, "back", 4);
	hear(&t, fd, "back");
	close(fd);
	end(&t);
}

static void input_waits_until_the_guest_opens_the_port(void **state)
{
	struct test t;
	int fd;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	open_agent(&t);
	control(&t, 1, PORT_OPEN, 0);
	offer(&t, 4, NULL, 64);
	fd = connect_to("sock");
	assert_int_equal(write(fd, "early", 5), 5);
	expect(&t, 1, PORT_OPEN, 1, 0);
	settle(&t);
	assert_false(used(&t, 4));
	control(&t, 1, PORT_OPEN, 1);
	expect_input(&t, 4, "early");
	close(fd);
	end(&t);
}

/* The same memory somewhere else; where it was nothing makes sense. */
static void move_memory(struct test *t)
{
	uint8_t *to = aligned_alloc(4096, RIG_SIZE);

	memcpy(to, t->rig.mem, RIG_SIZE);
	memset(t->rig.mem, 0xee, RIG_SIZE);
	rig_unmap(&t->rig, RIG_GPA, RIG_SIZE);
	free(t->rig.mem);
	t->rig.mem = to;
	rig_map(&t->rig, RIG_GPA, RIG_SIZE, to, GPA_READ | GPA_WRITE);
	t->ring[5].used = rig_at(&t->rig, t->ring[5].used_gpa);
}

/* A chain larger than all buffers between guest and host, in two pieces. */
static void long_chain_waits_for_a_slow_reader(void **state)
{
	const uint32_t n = 0x8000;
	uint8_t *from, byte[4096];
	uint32_t got = 0;
	struct test t;
	ssize_t r;
	int fd;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	open_agent(&t);
	fd = connect_to("sock");
	r = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &r, sizeof(int));
	expect(&t, 1, PORT_OPEN, 1, 0);
	from = rig_at(&t.rig, RIG_DATA + 0x10000);
	for (uint32_t i = 0; i < 2 * n; i++)
		from[i] = (uint8_t)(i * 3 + i / 256);
	for (unsigned int i = 0; i < 16; i += 2) {
		rig_desc(&t.ring[5], i, RIG_DATA + 0x10000, n, RIG_NEXT, i + 1);
		rig_desc(&t.ring[5], i + 1, RIG_DATA + 0x10000 + n, n, 0, 0);
		rig_offer(&t.ring[5], i);
	}
	virtio_kick(&t.v, 5);
	settle(&t);
	/* What is under way survives that memory goes and comes. */
	virtio_quiesce(&t.v);
	settle(&t);
	move_memory(&t);
	virtio_set_memory(&t.v, &t.rig.map);
	from = rig_at(&t.rig, RIG_DATA + 0x10000);
	assert_true(t.ring[5].used->idx < 8);
	while (got < 16 * n) {
		turn(&t);
		r = read(fd, byte, sizeof(byte));
		for (ssize_t i = 0; i < r; i++, got++)
			assert_int_equal(byte[i], from[got % (2 * n)]);
	}
	settle(&t);
	assert_int_equal(t.ring[5].used->idx, 8);
	assert_int_equal(port(&t, 1)->host.dropped, 0);
	close(fd);
	end(&t);
}

static void guest_never_waits_for_a_reader_who_is_not_there(void **state)
{
	struct test t;
	unsigned int i;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	open_agent(&t);
	for (i = 0; i < SIZE; i++) {
		rig_desc(&t.ring[5], i, RIG_DATA + 0x10000, 0x8000, 0, 0);
		rig_offer(&t.ring[5], i);
	}
	virtio_kick(&t.v, 5);
	settle(&t);
	assert_int_equal(t.ring[5].used->idx, SIZE);
	assert_int_equal(port(&t, 1)->host.dropped, SIZE * 0x8000);
	end(&t);
}

static void console_works_again_after_a_reset(void **state)
{
	struct test t;
	int fd;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	open_agent(&t);
	fd = connect_to("sock");
	expect(&t, 1, PORT_OPEN, 1, 0);
	virtio_write_status(&t.v, 0);
	assert_int_equal(uring_under_way(), 0);
	up(&t, BIT(CONSOLE_F_MULTIPORT));
	multiport(&t);
	control(&t, 1, PORT_READY, 1);
	expect(&t, 1, PORT_NAME, 1, 17);
	/* He is still there. */
	expect(&t, 1, PORT_OPEN, 1, 0);
	offer(&t, 5, "again", 5);
	hear(&t, fd, "again");
	close(fd);
	end(&t);
}

static void emergency_write_reaches_port_0_before_the_driver_is_up(void **state)
{
	char error[200];
	const struct device_option opt = { "port0", "file:/dev/null" };
	struct virtio_device *d = make();
	struct virtio v;
	char got[8] = "";
	int fd;

	(void)state;
	assert_int_equal(virtio_init(&v, d, rig_options(), &ops, NULL), 0);
	fd = open(path_of("tty"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	virtio_config_write(&v, 8, 4, 'P');
	virtio_config_write(&v, 4, 4, 'x');
	assert_int_equal(v.stats.bad_writes, 1);
	until(&(struct test){ .event = false }, read(fd, got, 8) > 0);
	assert_string_equal(got, "P");
	close(fd);
	virtio_fini(&v);
	d->ops->destroy(d);
	unlink(path_of("log"));
	assert_int_equal(console_type.create(&opt, 1, &d, error, sizeof(error)),
			 0);
	d->ops->destroy(d);
}

static void idle_console_does_nothing_each_turn(void **state)
{
	struct test t;
	unsigned int i, did = 0;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	open_agent(&t);
	offer(&t, 4, NULL, 64);
	settle(&t);
	for (i = 0; i < 1000; i++)
		did += turn(&t);
	/* The pty's look, four times a second. */
	assert_true(did < 20);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_driver_has_port_0_and_no_messages),
		cmocka_unit_test(guest_is_told_who_comes_and_goes),
		cmocka_unit_test(input_waits_until_the_guest_opens_the_port),
		cmocka_unit_test(long_chain_waits_for_a_slow_reader),
		cmocka_unit_test(
			guest_never_waits_for_a_reader_who_is_not_there),
		cmocka_unit_test(console_works_again_after_a_reset),
		cmocka_unit_test(
			emergency_write_reaches_port_0_before_the_driver_is_up),
		cmocka_unit_test(idle_console_does_nothing_each_turn),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
