/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The attach socket: packets of any type, length and content, with descriptors
 * of several kinds, on two connections that come and go, against the real
 * server and a registry with one machine.
 *
 * The input is a sequence of packets: connection (and whether eventfds are
 * signalled), kind, descriptors, length, bytes.  A kind makes a header that is in order or leaves even that to the
 * bytes.  In the end, when both connections are closed: no attachment is left,
 * no file is mapped, no notify page is looked at, no mapping is counted, and no
 * descriptor is open that was not open before.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/pciringd/attach_server.h"
#include "apps/pciringd/attachment.h"
#include "irq/notify.h"
#include "ring/attach.h"
#include "ring/shm.h"
#include "ring/test_tmp.h"
#include "tests/fuzz/must.h"

#define NR_CLIENTS 2
#define MEMORY	   0x10000

struct world {
	struct control control;
	struct control_source stopper; /* always ready: one round a run */
	struct attach_server server;
	struct service service;
	struct loop *loop;
	char path[64];
	int client[NR_CLIENTS]; /* -1 closed */
	int memory, event, other_event, null;
};

static struct world w;

static int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	close(fd);
	return fd;
}

static void stop(struct control_source *s, uint32_t events)
{
	(void)s;
	(void)events;
	control_stop(&w.control);
}

/* Serve what has come.  Two rounds: accept, then read. */
static void serve(void)
{
	for (int i = 0; i < 3; i++) {
		w.control.stop = false;
		control_run(&w.control);
	}
}

static void set_up_service(void)
{
	struct service_error e;

	/* One that never sleeps lends notify pages, too. */
	must(!loop_create(0, LOOP_IDLE_OFF, &w.loop));
	service_init(&w.service, &w.loop, 1);
	w.service.ops = &attach_server_service_ops;
	w.service.ctx = &w.server;
	must(!service_machine_create(&w.service, "m", -1, &e));
	must(!service_function_create(&w.service, "m", "00:01.0", "rng", NULL,
				      &e));
	must(!service_socket_create(&w.service, "m", "00:01.0", "/nowhere/s",
				    &e));
}

static void set_up(void)
{
	int fd;

	memset(&w, 0, sizeof(w));
	set_up_service();
	must(!control_init(&w.control));
	snprintf(w.path, sizeof(w.path), "%s/pciring-fuzz-%d", test_tmp(),
		 getpid());
	fd = attach_listen(w.path, 0600);
	must(fd >= 0);
	must(!attach_server_init(&w.server, &w.control, &w.service, fd));
	w.stopper = (struct control_source){ .fd = eventfd(1, EFD_CLOEXEC),
					     .events = EPOLLIN,
					     .ready = stop };
	must(!control_add(&w.control, &w.stopper));
	for (int i = 0; i < NR_CLIENTS; i++)
		w.client[i] = -1;
	w.memory = memfd_create("fuzz", MFD_CLOEXEC);
	must(ftruncate(w.memory, MEMORY) == 0);
	w.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w.other_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w.null = open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void hang_up(int i)
{
	if (w.client[i] >= 0)
		close(w.client[i]);
	w.client[i] = -1;
	serve();
}

static void tear_down(void)
{
	struct service_machine *m = service_find(&w.service, "m");

	for (int i = 0; i < NR_CLIENTS; i++)
		hang_up(i);
	must(!m->attachments && !m->watcher && !w.server.nr_conns);
	for (int i = 0; i < GPA_MAX_FILES; i++)
		must(m->files.file[i].users == 0);
	must(!m->machine->mapped);
	must(!m->machine->nr_kick_fds && !m->machine->late_kicks);
	must(!w.service.budget.mappings);
	attach_server_fini(&w.server);
	control_remove(&w.control, &w.stopper);
	close(w.stopper.fd);
	control_fini(&w.control);
	service_fini(&w.service);
	loop_destroy(w.loop);
	close(w.memory);
	close(w.event);
	close(w.other_event);
	close(w.null);
	unlink(w.path);
}

static void connect_client(int i)
{
	if (w.client[i] >= 0)
		return;
	w.client[i] = attach_connect(w.path);
	must(w.client[i] >= 0);
	must(fcntl(w.client[i], F_SETFL, O_NONBLOCK) == 0);
	serve();
}

/* A page that came with an answer is stored to, whether or not it is still in
 * use, and the machine looks at what it has. */
static void scribble(const struct attach_packet *pkt)
{
	const struct msg_notify_page *m = &pkt->m.notify_page;
	struct service_machine *machine = service_find(&w.service, "m");
	uint32_t *word;

	must(pkt->nr_fds == 1 && m->length == SEG_PAGE);
	must(!shm_check(pkt->fds[0], SEG_PAGE));
	word = shm_map(pkt->fds[0], 0, SEG_PAGE);
	must(word);
	memset(word, (int)pkt->m.h.id, SEG_PAGE);
	machine_turn(machine->machine);
	shm_unmap(word, SEG_PAGE);
}

/* Everything the server said; its descriptors are closed with the packet. */
static void read_answers(int i)
{
	struct attach_packet pkt;
	int n = 1;

	while (n == 1 || n == -EPROTO) {
		n = attach_recv(w.client[i], &pkt);
		if (n != 1)
			continue;
		if (pkt.m.h.type == MSG_NOTIFY_PAGE && !pkt.m.h.error)
			scribble(&pkt);
		attach_packet_fini(&pkt);
	}
	if (n != -EAGAIN)
		hang_up(i);
}

static void fill_hello(struct msg_hello *h)
{
	h->major = PCIRING_VERSION_MAJOR;
	h->scope %= 4;
	h->function = 8;
	h->lanes %= 3;
	h->interrupts %= 3;
	h->irqchip %= 4;
	memcpy(h->machine, "m", 2);
}

/* Bring the fields of a likely packet into a likely range. */
static size_t fill(union msg_packet *m, uint8_t kind)
{
	m->h.magic = MSG_MAGIC;
	m->h.type = (uint16_t)(kind % (MSG_KICK_BIND + 1));
	m->h.reply = 0;
	switch (m->h.type) {
	case MSG_HELLO:
		fill_hello(&m->hello);
		return sizeof(m->hello);
	case MSG_DMA_MAP:
	case MSG_DMA_UNMAP:
		m->dma.gpa &= 0xff000;
		m->dma.size &= 0x1f000;
		m->dma.offset &= 0xf000;
		m->dma.flags &= MSG_DMA_ALL | 3;
		return sizeof(m->dma);
	case MSG_IRQ_BIND:
	case MSG_IRQ_CONTROL:
		m->irq.function = 8;
		m->irq.start &= 3;
		m->irq.count &= 3;
		m->irq.bound &= 3;
		return sizeof(m->irq);
	case MSG_LINE_BIND:
	case MSG_LINE_CONTROL:
		m->line.kind %= 3;
		m->line.action %= 4;
		m->line.bound &= 7;
		if (m->line.kind == PCIRING_LINE_INTX)
			m->line.number = 8;
		else
			m->line.number &= 31;
		return sizeof(m->line);
	case MSG_KICK_BIND:
		m->kick.function = 8;
		m->kick.queue &= 1;
		return sizeof(m->kick);
	case MSG_SOCKET_STATE:
		m->socket.function = 8;
		return sizeof(m->socket);
	default:
		m->function.function = 8;
		return sizeof(m->function);
	}
}

static void send_packet(int i, const uint8_t p[4], const uint8_t *body,
			size_t n)
{
	const int kinds[] = { w.memory, w.event, w.null, w.client[i] };
	unsigned int nr_fds = p[2] % 4u;
	union msg_packet m = { 0 };
	int fds[3];

	for (unsigned int k = 0; k < nr_fds; k++) {
		fds[k] = kinds[p[2] >> (2 + 2 * k) & 3];
		/* A line can be bound to two of them. */
		if (k && fds[k] == w.event && fds[0] == w.event)
			fds[k] = w.other_event;
	}
	memcpy(&m, body, n < sizeof(m) ? n : sizeof(m));
	if (p[1] & 0x80) /* raw: whatever the bytes say */
		attach_send(w.client[i], &m, n ? n : 1, fds, nr_fds);
	else
		attach_send(w.client[i], &m, fill(&m, p[1]), fds, nr_fds);
}

static void step(const uint8_t p[4], const uint8_t *body, size_t n)
{
	int i = p[0] % NR_CLIENTS;

	if ((p[0] & 0xf0) == 0xf0) {
		hang_up(i);
		return;
	}
	connect_client(i);
	send_packet(i, p, body, n);
	if (p[0] & 8) {
		eventfd_write(w.event, 1);
		eventfd_write(w.other_event, 1);
	}
	serve();
	if (p[0] & 4)
		read_answers(i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool prepared;
	int before;
	size_t n;

	/* What a thread keeps for good is not a leak of this input. */
	if (!prepared)
		must(!notify_prepare());
	prepared = true;
	before = lowest_free_fd();
	set_up();
	while (size >= 4) {
		n = data[3] % 160u;
		if (n > size - 4)
			n = size - 4;
		step(data, data + 4, n);
		data += 4 + n;
		size -= 4 + n;
	}
	tear_down();
	must(lowest_free_fd() == before);
	return 0;
}
