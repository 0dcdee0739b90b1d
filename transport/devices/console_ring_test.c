/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/console_ring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sched.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#define BYTES (1u << 22)

static struct console_ring ring;
static _Atomic unsigned int woken, asleep;

static uint8_t nth(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* Sleeps when there is no room, and goes on only if it was woken. */
static void *produce(void *arg)
{
	uint8_t byte[97];
	uint32_t put = 0, i;

	(void)arg;
	while (put < BYTES) {
		for (i = 0; i < sizeof(byte) && put + i < BYTES; i++)
			byte[i] = nth(put + i);
		put += console_ring_put(&ring, byte, i);
		if (console_ring_room(&ring) || console_ring_wait(&ring))
			continue;
		atomic_fetch_add(&asleep, 1);
		while (!atomic_load(&woken))
			sched_yield();
		atomic_store(&woken, 0);
	}
	return NULL;
}

static void c1_d1_c2_d2_bytes_arrive_whole_and_in_order(void **state)
{
	uint8_t byte[113];
	uint32_t got = 0, n, i;
	pthread_t t;

	(void)state;
	console_ring_reset(&ring);
	assert_int_equal(pthread_create(&t, NULL, produce, NULL), 0);
	while (got < BYTES) {
		n = console_ring_get(&ring, byte, sizeof(byte));
		for (i = 0; i < n; i++)
			if (byte[i] != nth(got + i))
				fail_msg("byte %u is another", got + i);
		got += n;
		/* E1, E2: a wake that got lost would end in silence here. */
		if (n && console_ring_wake(&ring))
			atomic_store(&woken, 1);
	}
	pthread_join(t, NULL);
	assert_int_equal(console_ring_bytes(&ring), 0);
}

static void ring_takes_what_fits_and_no_more(void **state)
{
	static uint8_t byte[CONSOLE_RING_BYTES + 1];
	uint32_t n;

	(void)state;
	console_ring_reset(&ring);
	assert_int_equal(console_ring_put(&ring, byte, 100), 100);
	assert_int_equal(console_ring_get(&ring, byte, 100), 100);
	/* Round its end, in two pieces. */
	assert_int_equal(console_ring_put(&ring, byte, sizeof(byte)),
			 CONSOLE_RING_BYTES);
	console_ring_look(&ring, &n);
	assert_int_equal(n, CONSOLE_RING_BYTES - 100);
	assert_false(console_ring_wake(&ring));
	assert_false(console_ring_wait(&ring));
	assert_true(console_ring_wake(&ring));
	assert_false(console_ring_wake(&ring));
	console_ring_took(&ring, 1);
	assert_true(console_ring_wait(&ring));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c1_d1_c2_d2_bytes_arrive_whole_and_in_order),
		cmocka_unit_test(ring_takes_what_fits_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
