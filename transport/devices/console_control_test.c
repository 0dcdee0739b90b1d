/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/test_console.h"

static void driver_is_told_of_its_ports_in_order(void **state)
{
	const uint8_t *m;
	struct test t;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT) | BIT(CONSOLE_F_SIZE));
	multiport(&t);
	expect_silence(&t);
	control(&t, 2, PORT_READY, 1);
	expect(&t, 2, CONSOLE_PORT, 1, 0);
	m = expect(&t, 2, RESIZE, 0, 4);
	assert_int_equal(load_le(m, 2), 100);
	assert_int_equal(load_le(m + 2, 2), 40);
	/* A file is always there. */
	expect(&t, 2, PORT_OPEN, 1, 0);
	expect_silence(&t);
	assert_int_equal(bad(&t, CONSOLE_CONTROL_TX), 0);
	end(&t);
}

static void close_is_told_before_the_open_that_follows_it(void **state)
{
	struct test t;
	int fd, next_fd;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	open_agent(&t);
	fd = connect_to("sock");
	next_fd = connect_to("sock");
	until(&t, atomic_load(&port(&t, 1)->host_open));
	expect(&t, 1, PORT_OPEN, 1, 0);
	/* Nobody takes messages meanwhile. */
	virtio_set_master(&t.v, false);
	close(fd);
	until(&t, atomic_load(&port(&t, 1)->todo) ==
			  (BIT(CONSOLE_TELL_CLOSED) | BIT(CONSOLE_TELL_OPEN)));
	virtio_set_master(&t.v, true);
	expect(&t, 1, PORT_OPEN, 0, 0);
	expect(&t, 1, PORT_OPEN, 1, 0);
	close(next_fd);
	end(&t);
}

static void window_change_reaches_the_driver_in_both_ways(void **state)
{
	const struct winsize size = { .ws_col = 132, .ws_row = 50 };
	const uint8_t *m;
	struct test t;
	int fd;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT) | BIT(CONSOLE_F_SIZE));
	multiport(&t);
	control(&t, 0, PORT_READY, 1);
	expect(&t, 0, CONSOLE_PORT, 1, 0);
	expect(&t, 0, RESIZE, 0, 4);
	fd = open(path_of("tty"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
	m = expect(&t, 0, RESIZE, 0, 4);
	assert_int_equal(load_le(m, 2), 132);
	assert_int_equal(load_le(m + 2, 2), 50);
	assert_int_equal(virtio_config_read(&t.v, 0, 4), 50u << 16 | 132);
	assert_int_equal(t.config_raised, 1);
	close(fd);
	end(&t);
}

static void nonsense_of_the_driver_is_counted_and_contained(void **state)
{
	struct test t;
	unsigned int i;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	multiport(&t);
	control(&t, 0, DEVICE_READY, 1);	      /* again */
	control(&t, 0, DEVICE_READY, 0);	      /* cannot */
	control(&t, 16, PORT_READY, 1);		      /* beyond */
	control(&t, 0xffffffff, PORT_OPEN, 1);	      /* far beyond */
	control(&t, 3, PORT_READY, 1);		      /* no such port */
	control(&t, 0, DEVICE_ADD, 1);		      /* ours to say */
	control(&t, 0, 99, 1);			      /* nobody's */
	control(&t, 1, PORT_OPEN, 7);		      /* neither */
	offer(&t, CONSOLE_CONTROL_TX, "\0\0\0\0", 4); /* cut short */
	offer(&t, CONSOLE_CONTROL_TX, NULL, 64);      /* says nothing */
	expect_silence(&t);
	assert_int_equal(bad(&t, CONSOLE_CONTROL_TX), 10);
	/* Buffers in the wrong direction, and none too small for a message. */
	offer(&t, 1, NULL, 64);
	settle(&t);
	assert_int_equal(bad(&t, 1), 1);
	for (i = 0; i < 4; i++)
		t.seen[CONSOLE_CONTROL_RX] =
			t.ring[CONSOLE_CONTROL_RX].used->idx;
	assert_int_equal(t.v.s.status & VIRTIO_NEEDS_RESET, 0);
	control(&t, 2, PORT_READY, 1);
	expect(&t, 2, CONSOLE_PORT, 1, 0);
	end(&t);
}

static void message_waits_for_a_buffer_it_fits_in(void **state)
{
	const uint8_t *m;
	struct test t;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	control(&t, 0, DEVICE_READY, 1);
	offer(&t, CONSOLE_CONTROL_RX, NULL, 7);
	assert_int_equal(next(&t, CONSOLE_CONTROL_RX, &m), 0);
	assert_int_equal(bad(&t, CONSOLE_CONTROL_RX), 1);
	offer(&t, CONSOLE_CONTROL_RX, NULL, 8);
	expect(&t, 0, DEVICE_ADD, 1, 0);
	end(&t);
}

static void flood_of_requests_is_answered_once(void **state)
{
	struct test t;
	unsigned int i;

	(void)state;
	begin(&t, BIT(CONSOLE_F_MULTIPORT));
	multiport(&t);
	virtio_set_master(&t.v, true);
	for (i = 0; i < SIZE - 2; i++)
		control(&t, 2, PORT_READY, 1);
	settle(&t);
	/* At most one more while the first were being told. */
	expect(&t, 2, CONSOLE_PORT, 1, 0);
	settle(&t);
	assert_true((uint16_t)(t.ring[CONSOLE_CONTROL_RX].used->idx -
			       t.seen[CONSOLE_CONTROL_RX]) <= 6);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(driver_is_told_of_its_ports_in_order),
		cmocka_unit_test(close_is_told_before_the_open_that_follows_it),
		cmocka_unit_test(window_change_reaches_the_driver_in_both_ways),
		cmocka_unit_test(
			nonsense_of_the_driver_is_counted_and_contained),
		cmocka_unit_test(message_waits_for_a_buffer_it_fits_in),
		cmocka_unit_test(flood_of_requests_is_answered_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
