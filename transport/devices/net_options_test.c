/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator writes for a NIC: what it becomes, and what he is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transport/devices/net.h"
#include "transport/devices/test_eal.h"

/* "key=value" words. */
static int create(const char *words, struct virtio_device **out, char *error,
		  size_t room)
{
	struct device_option opt[8];
	unsigned int nr = 0;
	char copy[256], *save, *word;

	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &save); word && nr < ARRAY_SIZE(opt);
	     word = strtok_r(NULL, " ", &save)) {
		opt[nr].key = word;
		word = strchr(word, '=');
		*word = '\0';
		opt[nr++].value = word + 1;
	}
	return net_type.create(opt, nr, out, error, room);
}

/* Refused, with @says in the sentence, when it is tried on and for good. */
static void refused(const char *words, const char *says)
{
	struct virtio_device *dev = NULL;
	char error[200];

	for (unsigned int k = 0; k < 2; k++) {
		error[0] = '\0';
		assert_int_equal(
			create(words, k ? &dev : NULL, error, sizeof(error)),
			-EINVAL);
		if (!strstr(error, says))
			fail_msg("\"%s\" says: %s\nwhere \"%s\" was to be",
				 words, error, says);
	}
	assert_null(dev);
}

static struct virtio_device *made(const char *words)
{
	struct virtio_device *dev = NULL;
	char error[200] = "";

	if (create(words, &dev, error, sizeof(error)))
		fail_msg("\"%s\": %s", words, error);
	return dev;
}

static uint64_t offered(const char *words)
{
	struct virtio_device *dev = made(words);
	const uint64_t f = dev->offer.w[0];

	dev->ops->destroy(dev);
	return f;
}

static uint64_t config(const char *words, uint32_t off, unsigned int size)
{
	struct virtio_device *dev = made(words);
	const uint64_t v = dev->ops->config_read(dev, off, size);

	dev->ops->destroy(dev);
	return v;
}

static void what_makes_no_sense_is_refused_with_its_name(void **state)
{
	(void)state;
	refused("mtu=1500", "needs option port");
	refused("port=nowhere", "there is no port \"nowhere\"");
	refused("port=null pairs=0", "option pairs must be 1 to 128");
	refused("port=null pairs=129", "option pairs must be 1 to 128");
	refused("port=null pairs=-1", "option pairs must be 1 to 128");
	refused("port=null mtu=67", "option mtu must be 68 to 65535");
	refused("port=null mtu=65536", "option mtu must be 68 to 65535");
	refused("port=null mtu=1500x", "not \"1500x\"");
	refused("port=null speed=0", "option speed must be megabits");
	refused("port=null mac=52:54:00:12:34", "option mac must be");
	/* A group's, and nobody's. */
	refused("port=null mac=01:00:5e:00:00:01", "option mac must be");
	refused("port=null mac=00:00:00:00:00:00", "option mac must be");
	refused("port=null csum=yes", "option csum must be true or false");
	refused("port=null colour=red", "colour");
}

static void what_is_tried_on_opens_nothing(void **state)
{
	char error[200] = "";

	(void)state;
	/* There is no such ethdev, and nobody looked. */
	assert_int_equal(create("port=ethdev:net_none0 pairs=2", NULL, error,
				sizeof(error)),
			 0);
}

static void driver_is_told_what_the_operator_says(void **state)
{
	static const char *const words =
		"port=null pairs=4 mtu=9000 speed=2500 mac=52:54:00:12:34:56";

	(void)state;
	assert_int_equal(config(words, 0, 4), 0x12005452);
	assert_int_equal(config(words, 4, 2), 0x5634);
	assert_int_equal(config(words, 8, 2), 4);
	assert_int_equal(config(words, 10, 2), 9000);
	assert_int_equal(config(words, 12, 4), 2500);
	assert_true(offered(words) & BIT_ULL(NET_F_MTU));
	assert_true(offered(words) & BIT_ULL(NET_F_MQ));
	assert_false(offered("port=null") & BIT_ULL(NET_F_MTU));
	assert_false(offered("port=null") & BIT_ULL(NET_F_MQ));
}

static void feature_that_is_off_takes_along_what_needs_it(void **state)
{
	uint64_t f = offered("port=null csum=false pairs=2");

	(void)state;
	assert_false(f & BIT_ULL(NET_F_CSUM));
	assert_false(f & BIT_ULL(NET_F_HOST_TSO4));
	assert_false(f & BIT_ULL(NET_F_HOST_ECN));
	assert_true(f & BIT_ULL(NET_F_GUEST_CSUM));
	assert_true(f & BIT_ULL(NET_F_MQ));
	f = offered("port=null ctrl_vq=false pairs=2");
	assert_false(f &
		     (BIT_ULL(NET_F_MQ) | BIT_ULL(NET_F_CTRL_RX) |
		      BIT_ULL(NET_F_CTRL_MAC_ADDR) | BIT_ULL(NET_F_NOTF_COAL)));
	f = offered("port=null mrg_rxbuf=false status=false");
	assert_false(f & (BIT_ULL(NET_F_MRG_RXBUF) | BIT_ULL(NET_F_STATUS)));
	assert_true(f & BIT_ULL(NET_F_CSUM));
}

/* We cut those of IPv4 alone; a switch may have to, null throws them away. */
static void large_segments_over_ipv6_are_for_ports_that_have_them(void **state)
{
	(void)state;
	assert_true(offered("port=null") & BIT_ULL(NET_F_HOST_TSO4));
	assert_true(offered("port=null") & BIT_ULL(NET_F_HOST_TSO6));
	assert_true(offered("port=switch:s") & BIT_ULL(NET_F_HOST_TSO4));
	assert_false(offered("port=switch:s") & BIT_ULL(NET_F_HOST_TSO6));
	/* Nothing that large comes from there. */
	assert_false(offered("port=null:64") & BIT_ULL(NET_F_GUEST_TSO4));
	assert_false(offered("port=null:64") & BIT_ULL(NET_F_GUEST_TSO6));
}

/* IEEE 802: locally administered, and one NIC's. */
static void mac_that_is_made_up_is_a_local_one(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(config("port=null", 0, 1) & 3, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_no_sense_is_refused_with_its_name),
		cmocka_unit_test(what_is_tried_on_opens_nothing),
		cmocka_unit_test(driver_is_told_what_the_operator_says),
		cmocka_unit_test(feature_that_is_off_takes_along_what_needs_it),
		cmocka_unit_test(
			large_segments_over_ipv6_are_for_ports_that_have_them),
		cmocka_unit_test(mac_that_is_made_up_is_a_local_one),
	};

	return cmocka_run_group_tests(tests, test_eal_start, test_eal_end);
}
