/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_console.h - for unit tests: a console of three ports, its driver, and
 * who is at the other side
 */
#ifndef TRANSPORT_DEVICES_TEST_CONSOLE_H
#define TRANSPORT_DEVICES_TEST_CONSOLE_H

#include "transport/devices/console_device.h"

#include "transport/devices/console.h"
#include "transport/virtio/test_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#define SIZE	 16
#define NR_RINGS 8
#define WAIT_MS	 20000
#define BUFFER	 0x800u /* of guest memory, each */

enum {
	DEVICE_READY,
	DEVICE_ADD,
	DEVICE_REMOVE,
	PORT_READY,
	CONSOLE_PORT,
	RESIZE,
	PORT_OPEN,
	PORT_NAME
};

struct test {
	struct rig rig;
	struct rig_ring ring[NR_RINGS];
	struct virtio_device *dev;
	struct virtio v;
	unsigned int offered[NR_RINGS];
	uint16_t seen[NR_RINGS];
	unsigned int config_raised;
	bool event;
};

static char dir[] = "/tmp/console.XXXXXX";

static inline void nothing(void *transport)
{
	(void)transport;
}

static inline void queue_raise(void *transport, unsigned int q)
{
	(void)transport;
	(void)q;
}

static inline void config_raise(void *transport)
{
	((struct test *)transport)->config_raised++;
}

static inline void event(void *transport)
{
	((struct test *)transport)->event = true;
}

static const struct virtio_transport_ops ops = {
	.queue_raise = queue_raise,
	.config_raise = config_raise,
	.work = nothing,
	.reset = nothing,
	.event = event,
};

static inline const char *path_of(const char *name)
{
	static char path[108];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Port 0: a pty; 1: a socket with a name; 2: a file. */
static inline struct virtio_device *make(void)
{
	char value[3][160], error[200] = "";
	const struct device_option opt[] = {
		{ "port0", value[0] },
		{ "port1", value[1] },
		{ "port2", value[2] },
		{ "size", "100x40" },
	};
	struct virtio_device *d = NULL;

	snprintf(value[0], sizeof(value[0]), "pty:%s/tty", dir);
	snprintf(value[1], sizeof(value[1]),
		 "unix:%s/sock,name=org.example.agent", dir);
	snprintf(value[2], sizeof(value[2]), "file:%s/log,console", dir);
	assert_int_equal(console_type.create(opt, ARRAY_SIZE(opt), &d, error,
					     sizeof(error)),
			 0);
	return d;
}

static inline void up(struct test *t, uint32_t features)
{
	unsigned int q;

	virtio_write_features(&t->v, 0, features);
	virtio_write_features(&t->v, 1, 1);
	for (q = 0; q < NR_RINGS; q++) {
		rig_ring(&t->rig, &t->ring[q], q, SIZE);
		rig_tell(&t->ring[q], virtio_queue(&t->v, q));
		virtio_queue_enable(&t->v, q);
		t->offered[q] = 0;
		t->seen[q] = 0;
	}
	virtio_write_status(&t->v, 0xf);
}

static inline void begin(struct test *t, uint32_t features)
{
	memset(t, 0, sizeof(*t));
	rig_init(&t->rig);
	t->dev = make();
	assert_int_equal(virtio_init(&t->v, t->dev, rig_options(), &ops, t), 0);
	virtio_set_memory(&t->v, &t->rig.map);
	virtio_set_master(&t->v, true);
	up(t, features);
}

static inline void end(struct test *t)
{
	virtio_fini(&t->v);
	t->dev->ops->destroy(t->dev);
	rig_fini(&t->rig);
	assert_int_equal(uring_under_way(), 0);
	unlink(path_of("log"));
}

static inline bool turn(struct test *t)
{
	bool did = t->event;

	if (t->event) {
		t->event = false;
		virtio_run_event(&t->v);
	}
	did |= rig_turn(&t->v, 64);
	did |= uring_turn();
	return did || t->event;
}

/* Whatever is to be done without anybody's doing. */
static inline void settle(struct test *t)
{
	unsigned int i;

	for (i = 0; i < 1000 && turn(t); i++)
		;
	assert_true(i < 1000);
}

static inline bool wait_a_little(void)
{
	struct pollfd p = { .fd = uring_fd(), .events = POLLIN };

	poll(&p, 1, 10);
	return true;
}

#define until(t, what)                                                         \
	do {                                                                   \
		unsigned int turns_ = 0;                                       \
                                                                               \
		while (!(what)) {                                              \
			if (!turn(t))                                          \
				wait_a_little();                               \
			if (++turns_ > WAIT_MS / 10)                           \
				fail_msg("never: " #what);                     \
		}                                                              \
	} while (0)

/* ---- The driver -------------------------------------------------------------- */

static inline uint64_t buffer(unsigned int q, unsigned int i)
{
	return RIG_DATA + 0x1000ull * (2 * q) + 0x100ull * (i % SIZE);
}

/* A descriptor with @n bytes of room, or that say @text. */
static inline void offer(struct test *t, unsigned int q, const void *text,
			 uint32_t n)
{
	const unsigned int i = t->offered[q]++ % SIZE;

	if (text)
		memcpy(rig_at(&t->rig, buffer(q, i)), text, n);
	rig_desc(&t->ring[q], i, buffer(q, i), n, text ? 0 : RIG_WRITE, 0);
	rig_offer(&t->ring[q], i);
	virtio_kick(&t->v, q);
}

static inline bool used(const struct test *t, unsigned int q)
{
	return t->ring[q].used->idx != t->seen[q];
}

/* The next used buffer; its length. */
static inline uint32_t next(struct test *t, unsigned int q, const uint8_t **p)
{
	unsigned int at;

	until(t, used(t, q));
	at = t->seen[q]++ % SIZE;
	*p = rig_at(&t->rig, buffer(q, t->ring[q].used->ring[at].id));
	return t->ring[q].used->ring[at].len;
}

static inline void control(struct test *t, uint32_t id, uint16_t what,
			   uint16_t value)
{
	uint8_t m[8];

	store_le(m, 4, id);
	store_le(m + 4, 2, what);
	store_le(m + 6, 2, value);
	offer(t, CONSOLE_CONTROL_TX, m, sizeof(m));
}

/* The next message is this one; what follows it. */
static inline const uint8_t *expect(struct test *t, uint32_t id, uint16_t what,
				    uint16_t value, uint32_t more)
{
	const uint8_t *m;

	assert_int_equal(next(t, CONSOLE_CONTROL_RX, &m), 8 + more);
	assert_int_equal(load_le(m, 4), id);
	assert_int_equal(load_le(m + 4, 2), what);
	assert_int_equal(load_le(m + 6, 2), value);
	offer(t, CONSOLE_CONTROL_RX, NULL, 128);
	return m + 8;
}

static inline void expect_silence(struct test *t)
{
	settle(t);
	assert_false(used(t, CONSOLE_CONTROL_RX));
}

static inline void multiport(struct test *t)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		offer(t, CONSOLE_CONTROL_RX, NULL, 128);
	control(t, 0, DEVICE_READY, 1);
	for (i = 0; i < 3; i++)
		expect(t, i, DEVICE_ADD, 1, 0);
}

/* Port 1 is ready and open on the guest's side. */
static inline void open_agent(struct test *t)
{
	const uint8_t *name;

	multiport(t);
	control(t, 1, PORT_READY, 1);
	name = expect(t, 1, PORT_NAME, 1, 17);
	assert_memory_equal(name, "org.example.agent", 17);
	control(t, 1, PORT_OPEN, 1);
	expect_silence(t);
}

static inline uint64_t bad(const struct test *t, unsigned int q)
{
	return t->v.queue[q].stats.bad_requests;
}

static inline struct console_port *port(const struct test *t, unsigned int i)
{
	return container_of(t->dev, struct console, device)->port[i];
}

/* ---- The other side ---------------------------------------------------------- */

static inline int connect_to(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path, path_of(name), sizeof(a.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static inline void hear(struct test *t, int fd, const char *text)
{
	char got[256] = "";
	size_t n = 0;
	ssize_t r = 0;

	until(t, (r = read(fd, got + n, strlen(text) - n),
		  n += r > 0 ? (size_t)r : 0, n == strlen(text)));
	assert_string_equal(got, text);
}

static inline void expect_input(struct test *t, unsigned int q,
				const char *text)
{
	const uint8_t *p;

	assert_int_equal(next(t, q, &p), strlen(text));
	assert_memory_equal(p, text, strlen(text));
}

static inline int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static inline int tear_down(void **state)
{
	(void)state;
	uring_close();
	/* Only if nothing is left in it. */
	return rmdir(dir);
}

#endif
