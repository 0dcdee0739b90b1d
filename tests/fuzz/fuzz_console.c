/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A console whose driver says anything in control messages and offers any
 * chains, while clients of its ports come, go, talk and do not listen, memory
 * comes and goes, and the device is reset.  Its ports are a pty, a socket and a
 * file that is full.
 *
 * After each step: what was offered for reading only is as it was; no more was
 * used than offered, and each of that once; all comes to rest.  After all:
 * nothing is under way, and nothing is left in the file system.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/must.h"
#include "transport/devices/console.h"
#include "transport/devices/console_device.h"
#include "transport/virtio/test_rig.h"

#define RINGS 8
#define SIZE  16
#define HALF  0x10000u /* of the data: first to be read, then to be written */
#define REST  4096     /* turns until there is nothing more to do */

static struct world {
	struct rig rig;
	struct rig_ring ring[RINGS];
	uint8_t offered[RINGS][SIZE]; /* how often and not used */
	uint16_t seen[RINGS];
	struct virtio v;
	struct virtio_device *dev;
	bool event, up;
	int client, tty;
	uint8_t read_only[HALF];
} w;

static char dir[32];
static char sock[64], tty[64];

static void nothing(void *transport)
{
	(void)transport;
}

static void queue_raise(void *transport, unsigned int q)
{
	(void)transport;
	must(q < RINGS);
}

static void event(void *transport)
{
	(void)transport;
	w.event = true;
}

static const struct virtio_transport_ops ops = {
	.queue_raise = queue_raise,
	.config_raise = nothing,
	.work = nothing,
	.reset = nothing,
	.event = event,
};

/* ---- The driver -------------------------------------------------------------- */

static void up(uint8_t features)
{
	unsigned int q;

	virtio_write_status(&w.v, 0);
	must(uring_under_way() == 0);
	virtio_write_features(&w.v, 0, features & 7);
	virtio_write_features(&w.v, 1, 1);
	memset(w.offered, 0, sizeof(w.offered));
	memset(w.seen, 0, sizeof(w.seen));
	for (q = 0; q < RINGS; q++) {
		rig_ring(&w.rig, &w.ring[q], q, SIZE);
		rig_tell(&w.ring[q], virtio_queue(&w.v, q));
		virtio_queue_enable(&w.v, q);
	}
	virtio_write_status(&w.v, 0xf);
}

/* Which may lead anywhere, but what is writable only to the second half. */
static void put_desc(unsigned int q, const uint8_t *p)
{
	const bool write = p[1] & RIG_WRITE;
	const uint32_t at = (uint32_t)(p[2] << 8 | p[3]) & (HALF - 1);
	uint32_t len = (uint32_t)p[4] << (p[1] >> 4);

	if (write && len > HALF - at)
		len = HALF - at;
	rig_desc(&w.ring[q], p[0] % SIZE, RIG_DATA + (write ? HALF : 0) + at,
		 len, p[1] & (RIG_WRITE | RIG_NEXT), p[5] % (SIZE + 1));
}

static void offer(unsigned int q, unsigned int head)
{
	w.offered[q][head]++;
	rig_offer(&w.ring[q], head);
	virtio_kick(&w.v, q);
}

/* Of a few bytes, so that likely messages are likely. */
static void say(const uint8_t *p)
{
	uint8_t m[8];
	const unsigned int i = p[0] % SIZE;
	const uint32_t at = 64 * i;

	store_le(m, 4, p[1] & 0x80 ? 0xffff0000u | p[1] : p[1] & 3);
	store_le(m + 4, 2, p[2] & 0x80 ? p[2] << 8 : p[2] & 7);
	store_le(m + 6, 2, p[3] & 0x80 ? p[3] : p[3] & 1);
	memcpy(rig_at(&w.rig, RIG_DATA + at), m, sizeof(m));
	memcpy(w.read_only + at, m, sizeof(m));
	rig_desc(&w.ring[CONSOLE_CONTROL_TX], i, RIG_DATA + at,
		 p[4] & 0x80 ? p[4] & 15 : 8, 0, 0);
	offer(CONSOLE_CONTROL_TX, i);
}

/* ---- The others -------------------------------------------------------------- */

static void come_or_go(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (w.client >= 0) {
		close(w.client);
		w.client = -1;
		return;
	}
	memcpy(a.sun_path, sock, sizeof(sock));
	w.client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must(w.client >= 0);
	if (connect(w.client, (struct sockaddr *)&a, sizeof(a)))
		come_or_go();
}

static void open_or_close(void)
{
	if (w.tty >= 0) {
		close(w.tty);
		w.tty = -1;
		return;
	}
	w.tty = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK);
	must(w.tty >= 0);
}

static void talk(uint8_t how)
{
	uint8_t byte[4096] = { 'x' };
	const int fd = how & 1 ? w.client : w.tty;
	ssize_t n = 0;

	if (fd < 0)
		return;
	if (how & 2)
		n = read(fd, byte, sizeof(byte));
	else if (how & 4)
		n = send(fd, byte, how * 16u, MSG_NOSIGNAL);
	else
		n = write(fd, byte, how);
	(void)n;
}

/* ---- What must hold ---------------------------------------------------------- */

static void check_used(unsigned int q)
{
	const struct rig_ring *r = &w.ring[q];
	uint32_t id;

	while (w.seen[q] != r->used->idx) {
		id = r->used->ring[w.seen[q]++ % SIZE].id;
		must(id < SIZE && w.offered[q][id] > 0);
		w.offered[q][id]--;
	}
}

static bool turn(void)
{
	bool did = w.event;
	unsigned int q;

	if (w.event) {
		w.event = false;
		virtio_run_event(&w.v);
	}
	did |= rig_turn(&w.v, 8);
	did |= uring_turn();
	/* Each turn: a used ring holds no more than that. */
	for (q = 0; q < RINGS; q++)
		check_used(q);
	return did || w.event;
}

static void rest(void)
{
	unsigned int i;

	for (i = 0; turn(); i++)
		must(i < REST);
	must(!memcmp(w.read_only, rig_at(&w.rig, RIG_DATA), HALF));
}

/* ---- Steps ------------------------------------------------------------------- */

static void disturb(const uint8_t *p)
{
	switch (p[0] & 7) {
	case 0:
		virtio_quiesce(&w.v);
		turn();
		virtio_set_memory(&w.v, &w.rig.map);
		break;
	case 1:
		virtio_set_master(&w.v, p[1] & 1);
		break;
	case 2:
		up(p[1]);
		break;
	case 3:
		virtio_config_write(&w.v, p[1] & 15, 1u << (p[2] & 3), p[3]);
		break;
	case 4:
		virtio_config_read(&w.v, p[1] & 15, 1u << (p[2] & 3));
		break;
	case 5:
		open_or_close();
		break;
	default:
		come_or_go();
		break;
	}
}

static void step(const uint8_t p[8])
{
	const unsigned int q = p[1] % RINGS;

	switch (p[0] & 15) {
	case 0:
	case 1:
	case 2:
		put_desc(q, p + 2);
		break;
	case 3:
	case 4:
	case 5:
		offer(q, p[2] % SIZE);
		break;
	case 6:
	case 7:
		say(p + 1);
		break;
	case 8:
	case 9:
		talk(p[1]);
		break;
	case 10:
		disturb(p + 1);
		break;
	case 11:
		turn();
		break;
	default:
		rest();
		break;
	}
}

static void set_up(void)
{
	char port[2][96], error[200];
	const struct device_option opt[] = {
		{ "port0", port[0] },
		{ "port1", port[1] },
		{ "port2", "file:/dev/full,input=/dev/null,name=full" },
	};

	memset(&w, 0, sizeof(w));
	w.client = -1;
	w.tty = -1;
	snprintf(dir, sizeof(dir), "/tmp/fuzz_console.XXXXXX");
	must(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	snprintf(tty, sizeof(tty), "%s/tty", dir);
	snprintf(port[0], sizeof(port[0]), "pty:%s", tty);
	snprintf(port[1], sizeof(port[1]), "unix:%s,name=agent", sock);
	must(!console_type.create(opt, ARRAY_SIZE(opt), &w.dev, error,
				  sizeof(error)));
	/* So that time passes while a fuzzer looks. */
	for (unsigned int i = 0; i < 3; i++)
		container_of(w.dev, struct console, device)
			->port[i]
			->host.second_ms = 4;
	rig_init(&w.rig);
	must(!virtio_init(&w.v, w.dev, rig_options(), &ops, NULL));
	virtio_set_memory(&w.v, &w.rig.map);
	virtio_set_master(&w.v, true);
}

static void tear_down(void)
{
	virtio_fini(&w.v);
	w.dev->ops->destroy(w.dev);
	must(uring_under_way() == 0);
	rig_fini(&w.rig);
	if (w.client >= 0)
		close(w.client);
	if (w.tty >= 0)
		close(w.tty);
	must(!rmdir(dir));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	set_up();
	up(data[0]);
	for (data++, size--; size >= 8; data += 8, size -= 8)
		step(data);
	virtio_set_master(&w.v, true);
	rest();
	tear_down();
	return 0;
}
