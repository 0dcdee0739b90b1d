/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Home changes the filter while a receive queue of another loop looks at it.
 */
#include "transport/devices/net_filter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

/* So many that the two meet on a busy machine; the sanitizer needs no meeting,
 * and takes its time. */
#ifdef __SANITIZE_THREAD__
#define CHANGES 20000
#else
#define CHANGES 200000
#endif

static struct net_filter filter;
static bool ended;

/* All addresses of one filter are the same, and as many as it says. */
static void *home(void *arg)
{
	uint8_t mac[6 * NET_MAX_UNICAST];
	unsigned int i;

	(void)arg;
	for (i = 1; i <= CHANGES; i++) {
		memset(mac, (int)(i & 0xfe), sizeof(mac));
		net_filter_tables(&filter, mac, 1 + i % NET_MAX_UNICAST, mac,
				  1 + i % NET_MAX_UNICAST);
	}
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void f1_g1_f2_g2_a_queue_never_sees_two_filters_in_one(void **state)
{
	static struct net_filter_copy copy;
	const struct net_rules *r = &copy.rules;
	const uint8_t none[6] = { 0 };
	unsigned int torn = 0, i;
	pthread_t thread;
	bool last;

	(void)state;
	net_filter_reset(&filter, none, false);
	assert_int_equal(pthread_create(&thread, NULL, home, NULL), 0);
	do {
		last = __atomic_load_n(&ended, __ATOMIC_ACQUIRE);
		net_filter_update(&filter, &copy);
		torn += r->nr_uni != r->nr_multi;
		for (i = 0; i < r->nr_uni; i++)
			torn += r->uni[i] != r->multi[0] ||
				r->multi[i] != r->multi[0];
	} while (!last);
	pthread_join(thread, NULL);
	assert_int_equal(torn, 0);
	/* And the last one comes. */
	assert_int_equal(r->nr_uni, 1 + CHANGES % NET_MAX_UNICAST);
	assert_int_equal(r->uni[0] & 0xff, CHANGES & 0xfe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			f1_g1_f2_g2_a_queue_never_sees_two_filters_in_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
