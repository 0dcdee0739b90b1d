/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells that a vfio-user client gets as eventfds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/flow/vfio_stage.h"

#define BAR  4
#define MOST 16

/* The reply to GET_REGION_IO_FDS, and what came with it. */
struct answer {
	struct vu_io_fds io;
	struct vu_io_fd entry[MOST];
	int fd[MOST];
	unsigned int nr_fds;
};

static void take_fds(struct msghdr *msg, struct answer *a)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c)
		return;
	assert_int_equal(c->cmsg_type, SCM_RIGHTS);
	a->nr_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(a->fd, CMSG_DATA(c), a->nr_fds * sizeof(int));
}

static struct answer ask(struct vfio_raw *v, uint32_t bar, uint32_t room)
{
	const struct vu_io_fds io = { .argsz = room, .index = bar };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST * sizeof(int))];
	struct answer a = { .nr_fds = 0 };
	struct vu_header h;
	struct iovec iov[] = {
		{ .iov_base = &h, .iov_len = sizeof(h) },
		{ .iov_base = &a.io, .iov_len = sizeof(a.io) },
		{ .iov_base = a.entry, .iov_len = sizeof(a.entry) },
	};
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 3,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	assert_int_equal(vfio_raw_command(v, VU_GET_REGION_IO_FDS, 0, &io,
					  sizeof(io), NULL, 0),
			 0);
	n = recvmsg(v->sock, &msg, MSG_CMSG_CLOEXEC);
	assert_int_equal(n, h.size);
	assert_int_equal(h.flags, VU_TYPE_REPLY);
	assert_int_equal(a.io.index, bar);
	assert_int_equal(n, sizeof(h) + sizeof(io) +
				    a.io.count * sizeof(a.entry[0]));
	take_fds(&msg, &a);
	assert_int_equal(a.nr_fds, a.io.count);
	return a;
}

static json_int_t access_count(const char *key)
{
	json_t *stats, *first;
	json_int_t n;

	assert_int_equal(procs_rpc(&stage.procs, "stats.get",
				   "{\"machine\":\"vm\"}", &stats),
			 0);
	first = json_array_get(json_object_get(stats, "functions"), 0);
	n = json_integer_value(
		json_object_get(json_object_get(first, "accesses"), key));
	json_decref(stats);
	return n;
}

static void client_kicks_by_the_eventfds_it_asked_for(void **state)
{
	const uint64_t one = 1;
	json_int_t written;
	struct vfio_guest t;
	struct traffic tr;
	struct answer a;

	(void)state;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(&t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	stage_qemu(&t);
	stage_go_live(&t, &tr);
	/* Too small: how large it would be. */
	a = ask(&t.v, BAR, sizeof(a.io));
	assert_int_equal(a.io.count, 0);
	assert_int_equal(a.io.argsz, 16 + 40);
	a = ask(&t.v, BAR, a.io.argsz);
	assert_int_equal(a.io.count, 1);
	assert_int_equal(a.entry[0].offset, t.g.cap[GUEST_CAP_NOTIFY].offset);
	assert_int_equal(a.entry[0].size, 4);
	assert_int_equal(a.entry[0].type, VU_IO_FD_IOEVENTFD);
	assert_int_equal(a.entry[0].fd_index, 0);
	assert_int_equal(a.entry[0].flags, 0);
	written = access_count("notify");
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < CHAINS; i++)
			assert_true(guest_add(&t.g, 0, &tr.buf[i], 1, false) >=
				    0);
		assert_int_equal(write(a.fd[0], &one, sizeof(one)),
				 sizeof(one));
		stage_collect(&t, &tr);
	}
	assert_int_equal(access_count("notify"), written);
	assert_true(access_count("eventfd_kicks") > 0);
	close(a.fd[0]);
	/* Asked again it is the same one; a reset does not end it. */
	assert_int_equal(vfio_raw_call(&t.v, VU_DEVICE_RESET, NULL, 0, NULL, 0),
			 0);
	written = access_count("eventfd_kicks");
	a = ask(&t.v, BAR, 4096);
	assert_int_equal(a.io.count, 1);
	assert_int_equal(write(a.fd[0], &one, sizeof(one)), sizeof(one));
	while (access_count("eventfd_kicks") == written)
		;
	close(a.fd[0]);
	vfio_guest_fini(&t);
	traffic_fini(&tr);
}

static void other_regions_have_none(void **state)
{
	struct vfio_guest t;
	struct answer a;

	(void)state;
	assert_int_equal(vfio_guest_init(&t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	stage_qemu(&t);
	for (uint32_t i = 0; i < VU_NR_REGIONS; i++) {
		a = ask(&t.v, i, 4096);
		assert_int_equal(a.io.count, i == BAR);
		assert_int_equal(a.io.argsz, i == BAR ? 16 + 40 : 16);
		if (a.nr_fds)
			close(a.fd[0]);
	}
	vfio_guest_fini(&t);
}

static void client_that_can_receive_none_is_sent_none(void **state)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":0}}";
	struct vfio_raw v;

	(void)state;
	assert_int_equal(vfio_raw_connect(&v, stage.path), 0);
	assert_int_equal(vfio_raw_version(&v, 1, json), 0);
	assert_int_equal(ask(&v, BAR, 4096).io.count, 0);
	vfio_raw_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_kicks_by_the_eventfds_it_asked_for),
		cmocka_unit_test(other_regions_have_none),
		cmocka_unit_test(client_that_can_receive_none_is_sent_none),
	};

	return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
