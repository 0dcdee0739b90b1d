/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk of a real service: made with options by RPC and by pciringctl, and
 * used by a guest over real rings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/base.h"
#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define DISK(options)                                                          \
	"{\"machine\":\"demo\",\"address\":\"00:01.0\",\"device\":\"blk\","    \
	"\"options\":{" options "}}"

/* virtio 1.2, 5.2.6 */
#define READ  0
#define WRITE 1

static int start(void **state)
{
	(void)state;
	return procs_init(&p) || procs_start_service(&p) ||
	       procs_rpc(&p, "machine.create", MACHINE, NULL);
}

static int unplug(void **state)
{
	(void)state;
	return procs_rpc(&p, "function.destroy",
			 "{\"machine\":\"demo\",\"address\":\"00:01.0\"}",
			 NULL);
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void disk_is_made_with_options_of_any_json_kind(void **state)
{
	json_t *m, *f;

	(void)state;
	assert_int_equal(procs_rpc(&p, "function.create",
				   DISK("\"backend\":\"null\",\"size\":1048576,"
					"\"queues\":4,\"readonly\":true,"
					"\"serial\":\"s1\""),
				   NULL),
			 0);
	assert_int_equal(procs_rpc(&p, "machine.show", MACHINE, &m), 0);
	f = json_array_get(json_object_get(m, "functions"), 0);
	assert_string_equal(text(f, "device_id"), "1042");
	assert_int_equal(json_array_size(json_object_get(f, "queues")), 4);
	json_decref(m);
}

static void bad_option_of_a_disk_is_named_to_the_operator(void **state)
{
	char out[1024];
	json_t *e;

	(void)state;
	assert_int_equal(procs_rpc(&p, "function.create",
				   DISK("\"backend\":\"ram\",\"size\":1000"),
				   &e),
			 1);
	assert_non_null(strstr(text(e, "message"), "option size must be"));
	assert_string_equal(text(json_object_get(e, "data"), "path"),
			    "params.options");
	json_decref(e);
	assert_int_equal(service_ctl(out, sizeof(out),
				     "plug demo 00:01.0 blk backend=ram"),
			 1);
	assert_non_null(strstr(out, "needs option size"));
	assert_int_equal(
		service_ctl(out, sizeof(out),
			    "plug demo 00:01.0 blk backend=ram size=1M x=1"),
		1);
	assert_non_null(strstr(out, "\"x\""));
}

static void operator_plugs_a_disk_and_reads_what_options_there_are(void **state)
{
	char out[8192];

	(void)state;
	assert_int_equal(service_ctl(out, sizeof(out), "info"), 0);
	assert_non_null(
		strstr(out, "backend: file, null (reads as zeroes) or"));
	assert_int_equal(service_ctl(out, sizeof(out),
				     "plug demo 00:01.0 blk backend=ram "
				     "size=64M serial=d1 queues=2"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "show demo"), 0);
	assert_non_null(strstr(out, "[1af4:1042]"));
	assert_int_equal(service_ctl(out, sizeof(out), "config"), 0);
	assert_non_null(strstr(out, "\"64M\""));
}

/* One request of one sector; its status, once it is there. */
static uint8_t ask(struct guest *g, uint32_t type, uint64_t sector,
		   uint64_t data)
{
	uint8_t *header;
	struct guest_used used;
	int got = 0;
	struct guest_buf buf[3] = {
		{ guest_alloc(g, 16, 16), 16, false },
		{ data, 512, type == READ },
		{ guest_alloc(g, 1, 1), 1, true },
	};

	header = guest_at(g, buf[0].gpa);
	store_le(header, 4, type);
	store_le(header + 8, 8, sector);
	*(uint8_t *)guest_at(g, buf[2].gpa) = 0xee;
	assert_true(guest_add(g, 0, buf, 3, true) >= 0);
	guest_kick(g, 0);
	for (int i = 0; !got && i < 50000; i++) {
		got = guest_poll(g, 0, &used);
		if (!got)
			usleep(100);
	}
	assert_int_equal(got, 1);
	return *(uint8_t *)guest_at(g, buf[2].gpa);
}

static json_int_t bad_requests(void)
{
	json_int_t n;
	json_t *s;

	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &s), 0);
	n = counter(json_array_get(json_object_get(s, "functions"), 0),
		    "bad_requests");
	json_decref(s);
	return n;
}

static void guest_reads_over_rings_what_it_wrote(void **state)
{
	struct vm *vm;
	uint64_t data;
	uint8_t *bytes;

	(void)state;
	assert_int_equal(procs_rpc(&p, "function.create",
				   DISK("\"backend\":\"ram\",\"size\":\"1M\""),
				   NULL),
			 0);
	vm = vm_of_function();
	data = guest_alloc(&vm->g, 512, 512);
	bytes = guest_at(&vm->g, data);
	assert_int_equal(guest_read(&vm->g, GUEST_CAP_CONFIG, 0, 8), 2048);
	memset(bytes, 0x5a, 512);
	assert_int_equal(ask(&vm->g, WRITE, 2047, data), 0);
	memset(bytes, 0, 512);
	assert_int_equal(ask(&vm->g, READ, 2047, data), 0);
	assert_int_equal(bytes[0], 0x5a);
	assert_memory_equal(bytes, bytes + 1, 511);
	assert_int_equal(bad_requests(), 0);
	assert_int_equal(ask(&vm->g, READ, 2048, data), 1);
	assert_int_equal(ask(&vm->g, 14, 0, data), 2);
	assert_int_equal(bad_requests(), 2);
	vm_end(vm);
}

/* In sectors; a moment later, once the machine's loop has said so. */
static void expect_capacity(struct vm *vm, uint64_t sectors)
{
	for (int i = 0; i < 50000; i++) {
		if (guest_read(&vm->g, GUEST_CAP_CONFIG, 0, 8) == sectors)
			return;
		usleep(100);
	}
	fail_msg("it has not become %llu sectors", (unsigned long long)sectors);
}

static int resize(const char *size, char *out, size_t room)
{
	char args[80];

	snprintf(args, sizeof(args), "resize demo 00:01.0 %s", size);
	return service_ctl(out, room, args);
}

static void disk_follows_its_file_and_the_operator(void **state)
{
	char path[PROCS_PATH], params[PROCS_PATH + 160], out[1024];
	struct stat st;
	struct vm *vm;
	uint64_t data;
	int fd;

	(void)state;
	procs_path(&p, "disk.img", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	snprintf(params, sizeof(params),
		 DISK("\"backend\":\"file\",\"path\":\"%s\""), path);
	assert_int_equal(procs_rpc(&p, "function.create", params, NULL), 0);
	vm = vm_of_function();
	data = guest_alloc(&vm->g, 512, 512);
	expect_capacity(vm, 2048);
	assert_int_equal(ask(&vm->g, READ, 2048, data), 1);
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(resize("", out, sizeof(out)), 0);
	expect_capacity(vm, 4096);
	assert_int_equal(ask(&vm->g, WRITE, 2048, data), 0);
	assert_int_equal(resize("4M", out, sizeof(out)), 0);
	expect_capacity(vm, 8192);
	assert_int_equal(ask(&vm->g, READ, 8191, data), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 4 << 20);
	/* What is no size, and what has none. */
	assert_int_equal(resize("1000", out, sizeof(out)), 1);
	assert_non_null(strstr(out, "whole sectors"));
	assert_int_equal(resize("4X", out, sizeof(out)), 2);
	assert_int_equal(resize("0", out, sizeof(out)), 2);
	expect_capacity(vm, 8192);
	assert_int_equal(
		service_ctl(out, sizeof(out), "resize demo 00:02.0 1M"), 1);
	assert_non_null(strstr(out, "has no function"));
	assert_int_equal(service_ctl(out, sizeof(out), "plug demo 00:02.0 rng"),
			 0);
	assert_int_equal(
		service_ctl(out, sizeof(out), "resize demo 00:02.0 1M"), 1);
	assert_non_null(strstr(out, "only a disk"));
	assert_int_equal(service_ctl(out, sizeof(out), "unplug demo 00:02.0"),
			 0);
	vm_end(vm);
	close(fd);
	unlink(path);
}

static int stop(void **state)
{
	(void)state;
	return procs_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			disk_is_made_with_options_of_any_json_kind, unplug),
		cmocka_unit_test(bad_option_of_a_disk_is_named_to_the_operator),
		cmocka_unit_test_teardown(
			operator_plugs_a_disk_and_reads_what_options_there_are,
			unplug),
		cmocka_unit_test_teardown(guest_reads_over_rings_what_it_wrote,
					  unplug),
		cmocka_unit_test(disk_follows_its_file_and_the_operator),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
