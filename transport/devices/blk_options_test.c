/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/test_disk.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

/* Refused, with @says in the sentence. */
static void refused(const char *words, const char *says)
{
	struct virtio_device *dev = NULL;
	char error[200] = "";

	assert_int_equal(disk_create(words, &dev, error, sizeof(error)),
			 -EINVAL);
	assert_null(dev);
	if (!strstr(error, says))
		fail_msg("\"%s\" says: %s\nwhere \"%s\" was to be", words,
			 error, says);
}

static uint64_t sectors(const char *words)
{
	struct virtio_device *dev = NULL;
	char error[200] = "";
	uint64_t n;

	assert_int_equal(disk_create(words, &dev, error, sizeof(error)), 0);
	n = dev->ops->config_read(dev, 0, 8);
	dev->ops->destroy(dev);
	return n;
}

static void sizes_are_read_as_operators_write_them(void **state)
{
	(void)state;
	assert_int_equal(sectors("backend=null size=512"), 1);
	assert_int_equal(sectors("backend=null size=1K"), 2);
	assert_int_equal(sectors("backend=null size=64M"), 64 << 11);
	assert_int_equal(sectors("backend=null size=1G"), 1 << 21);
	assert_int_equal(sectors("backend=null size=2T"), 2ull << 31);
	assert_int_equal(sectors("backend=null size=16777215T"),
			 16777215ull << 31);
	assert_int_equal(sectors("size=1M backend=ram"), 2048);
	assert_int_equal(sectors("size=1M backend=ram hugepages=true"), 2048);
}

static void bad_sizes_are_refused_by_name(void **state)
{
	static const char *const bad[] = {
		"",	"0",	"0K",	 "513",	      "1000",
		"-512", "+512", "1.5G",	 "512B",      "1KK",
		"1 M",	"M",	"0x200", "16777216T", "99999999999999999999",
	};
	char words[100];
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct device_option opt[] = { { "backend", "null" },
						     { "size", bad[i] } };
		struct virtio_device *dev = NULL;
		char error[200] = "";

		assert_int_equal(
			blk_type.create(opt, 2, &dev, error, sizeof(error)),
			-EINVAL);
		assert_null(dev);
		snprintf(words, sizeof(words), "size such as 64M");
		assert_non_null(strstr(error, words));
		assert_non_null(strstr(error, "option size"));
		snprintf(words, sizeof(words), "not \"%s\"", bad[i]);
		assert_non_null(strstr(error, words));
	}
}

static void every_option_says_what_it_should_be(void **state)
{
	(void)state;
	refused("backend=tape size=1M",
		"option backend must be file, null or ram, not \"tape\"");
	refused("backend=null size=1M queues=0", "queues must be 1 to 64");
	refused("backend=null size=1M queues=65", "queues must be 1 to 64");
	refused("backend=null size=1M queues=-1", "queues must be 1 to 64");
	refused("backend=null size=1M queues=2x", "not \"2x\"");
	refused("backend=null size=1M readonly=yes",
		"readonly must be true or false");
	refused("backend=file path=/a create=1",
		"create must be true or false");
	refused("backend=file path=/a direct=true",
		"direct must be auto, on or off, not \"true\"");
	refused("backend=file path=", "path must be the path of a file");
	refused("backend=null size=1M serial=123456789012345678901",
		"serial must be at most 20");
	refused("backend=null size=1M serial=a\tb", "printable");
}

static void what_a_disk_cannot_do_without_is_asked_for(void **state)
{
	(void)state;
	refused("size=1M", "needs option backend: file, null or ram");
	refused("backend=ram", "needs option size, such as size=64M");
	refused("", "needs option backend");
	refused("backend=file", "needs option path, such as path=");
	refused("backend=file path=/a create=true", "needs option size if");
}

static void options_that_do_not_go_together_are_refused(void **state)
{
	(void)state;
	refused("backend=ram size=1M path=/a",
		"option path is for backend=file only");
	refused("backend=null size=1M direct=off", "option direct is for");
	refused("backend=null size=1M create=false", "option create is for");
	refused("backend=null size=1M hugepages=true",
		"option hugepages is for backend=ram only");
	refused("backend=file path=/a size=1M create=true readonly=true",
		"cannot have both create=true and readonly=true");
}

static void unknown_options_are_refused_by_name(void **state)
{
	(void)state;
	refused("backend=null size=1M colour=red", "\"colour\"");
	refused("backend=null size=1M colour=red",
		"backend, path, size, create, direct, hugepages, queues, "
		"serial, readonly");
	refused("back=null", "\"back\"");
}

/* More than the address space has: the host fails, and says of what. */
static void ram_disk_that_cannot_be_is_refused(void **state)
{
	struct virtio_device *dev = NULL;
	char error[200] = "";

	(void)state;
	assert_int_equal(disk_create("backend=ram size=8388608T", &dev, error,
				     sizeof(error)),
			 -ENOMEM);
	assert_null(dev);
	assert_non_null(strstr(error, "a ram disk of 9223372036854775808"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read_as_operators_write_them),
		cmocka_unit_test(bad_sizes_are_refused_by_name),
		cmocka_unit_test(every_option_says_what_it_should_be),
		cmocka_unit_test(what_a_disk_cannot_do_without_is_asked_for),
		cmocka_unit_test(options_that_do_not_go_together_are_refused),
		cmocka_unit_test(unknown_options_are_refused_by_name),
		cmocka_unit_test(ram_disk_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
