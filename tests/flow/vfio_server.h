/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio_server.h - one proxy connection on the fake libpciring, and its client
 *
 * For exactly one file of a program, as fake_pciring.h is.
 *
 * Threads   the connection has its own; look at the fake after a reply, or
 *           after server_stop()
 */
#ifndef TESTS_VFIO_SERVER_H
#define TESTS_VFIO_SERVER_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "apps/vfio-user/conn.h"
#include "tests/flow/fake_pciring.h"
#include "tests/flow/vfio_raw.h"

/* What QEMU says in its handshake. */
#define QEMU_JSON                                                              \
	"{\"capabilities\": {\"migration\": {\"pgsize\": 4096, "               \
	"\"max_bitmap_size\": 268435456}, \"max_msg_fds\": 16, "               \
	"\"max_data_xfer_size\": 1048576, \"pgsizes\": 4096, "                 \
	"\"max_dma_maps\": 65535, \"write_multiple\": true}}"

struct server {
	struct pciring *p;
	int sock;
	pthread_t thread;
	int result;
	bool running;
	unsigned int fds; /* of the process before all this */
	struct vfio_raw v;
};

static struct server server;

static inline void *server_main(void *arg)
{
	struct server *s = arg;

	s->result = vu_conn_run(s->sock, s->p, FAKE_FUNCTION);
	shutdown(s->sock, SHUT_RDWR);
	return NULL;
}

/* A connection, before its handshake. */
static inline struct server *server_start(void)
{
	struct server *s = &server;
	int pair[2];

	s->fds = vfio_count_fds(0);
	s->p = fake_init();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	vfio_raw_init(&s->v, pair[0]);
	s->sock = pair[1];
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
	s->running = true;
	return s;
}

/* End the client; returns what vu_conn_run() did.  No descriptor is left. */
static inline int server_stop(struct server *s)
{
	if (!s->running)
		return s->result;
	shutdown(s->v.sock, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	vfio_raw_close(&s->v);
	close(s->sock);
	s->running = false;
	fake_fini();
	assert_int_equal(vfio_count_fds(0), s->fds);
	return s->result;
}

static inline int server_setup(void **state)
{
	*state = server_start();
	return vfio_raw_version(&server.v, 0, QEMU_JSON);
}

static inline int server_teardown(void **state)
{
	(void)state;
	if (server.running)
		server_stop(&server);
	return 0;
}

#define server_test(name)                                                      \
	cmocka_unit_test_setup_teardown(name, server_setup, server_teardown)

#endif
