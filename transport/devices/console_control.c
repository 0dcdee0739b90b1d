/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: what is to be told is a word of bits per port.  A run of control receive
 * finds a bit, takes a chain, and writes the message from what is so now.  A
 * chain without room for it is given back as a bad request, and the message
 * waits for the next one.
 */
#include "transport/devices/console_device.h"

/* virtio 1.2, 5.3.6.2 */
enum event {
	DEVICE_READY,
	DEVICE_ADD,
	DEVICE_REMOVE,
	PORT_READY,
	CONSOLE_PORT,
	RESIZE,
	PORT_OPEN,
	PORT_NAME
};

#define HEADER 8u

struct message {
	uint8_t byte[HEADER + CONSOLE_NAME_MAX];
	uint32_t len;
};

/* ---- To the driver ----------------------------------------------------------- */

void console_tell(struct console_port *p, enum console_todo what)
{
	atomic_fetch_or(&p->todo, BIT(what));
}

static struct console_port *find_todo(const struct console *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++)
		if (c->port[i] && atomic_load(&c->port[i]->todo))
			return c->port[i];
	return NULL;
}

void console_control_wake(struct console *c)
{
	if (c->multiport && find_todo(c))
		virtio_queue_activate(c->device.virtio, CONSOLE_CONTROL_RX);
}

static void set(struct message *m, const struct console_port *p,
		enum event event, uint16_t value)
{
	store_le(m->byte, 4, p->id);
	store_le(m->byte + 4, 2, event);
	store_le(m->byte + 6, 2, value);
	m->len = HEADER;
}

static void append(struct message *m, const void *from, size_t n)
{
	memcpy(m->byte + m->len, from, n);
	m->len += (uint32_t)n;
}

static void compose(struct message *m, const struct console_port *p,
		    enum console_todo what)
{
	const uint32_t size = atomic_load(&p->size);

	switch (what) {
	case CONSOLE_TELL_ADD:
		set(m, p, DEVICE_ADD, 1);
		break;
	case CONSOLE_TELL_CONSOLE:
		set(m, p, CONSOLE_PORT, 1);
		break;
	case CONSOLE_TELL_NAME:
		set(m, p, PORT_NAME, 1);
		append(m, p->name, strlen(p->name));
		break;
	case CONSOLE_TELL_SIZE:
		/* Columns, then rows, as the specification has it; Linux had
		 * them the other way round for years. */
		set(m, p, RESIZE, 0);
		append(m, &size, sizeof(size));
		break;
	case CONSOLE_TELL_CLOSED:
		set(m, p, PORT_OPEN, 0);
		break;
	case CONSOLE_TELL_OPEN:
		set(m, p, PORT_OPEN, atomic_load(&p->host_open));
		break;
	default:
		set(m, p, DEVICE_REMOVE, 1);
		break;
	}
}

/* How many bytes of it the chain has room for; -1: the queue broke. */
static int64_t write_message(struct vq_chain *chain, const struct message *m)
{
	struct vq_span span;
	uint32_t at = 0, n;
	int err = 1;

	while (at < m->len && (err = vq_chain_next(chain, &span)) > 0) {
		if (!span.write)
			continue;
		n = span.len < m->len - at ? span.len : m->len - at;
		memcpy(span.host, m->byte + at, n);
		at += n;
	}
	return err < 0 ? -1 : (int64_t)at;
}

/* False: the queue broke. */
static bool send_next(struct console *c, struct console_port *p,
		      struct vq_chain *chain)
{
	const uint32_t todo = atomic_load(&p->todo);
	const unsigned int what = (unsigned int)__builtin_ctz(todo);
	struct message m;
	int64_t written;

	atomic_fetch_and(&p->todo, ~BIT(what));
	compose(&m, p, what);
	written = write_message(chain, &m);
	if (written < 0)
		return false;
	if (written == m.len) {
		vq_push(chain->vq, chain, m.len);
		return true;
	}
	console_tell(p, what);
	virtio_bad_request(c->device.virtio, CONSOLE_CONTROL_RX);
	vq_push(chain->vq, chain, 0);
	return true;
}

bool console_control_rx(struct console *c, unsigned int budget)
{
	struct vq *vq = virtio_queue(c->device.virtio, CONSOLE_CONTROL_RX);
	struct console_port *p;
	struct vq_chain chain;

	/* Only this run clears bits, so what was found stays. */
	for (; budget; budget--) {
		p = c->multiport ? find_todo(c) : NULL;
		if (!p || !vq_pop(vq, &chain) || !send_next(c, p, &chain))
			return false;
	}
	return true;
}

/* ---- From the driver --------------------------------------------------------- */

static bool device_ready(struct console *c, uint16_t value)
{
	unsigned int i;

	/* 0 says that the driver cannot; a second time says nothing new. */
	if (value != 1 || c->asked)
		return false;
	c->asked = true;
	for (i = 0; i < c->nr_ports; i++) {
		if (!c->port[i] || atomic_load(&c->port[i]->gone))
			continue;
		console_tell(c->port[i], CONSOLE_TELL_ADD);
		atomic_store(&c->port[i]->added, true);
	}
	return true;
}

static bool port_ready(struct console_port *p, uint16_t value)
{
	atomic_store(&p->ready, value == 1);
	if (value != 1)
		return false;
	if (p->is_console) {
		console_tell(p, CONSOLE_TELL_CONSOLE);
		console_tell(p, CONSOLE_TELL_SIZE);
	}
	if (p->name[0])
		console_tell(p, CONSOLE_TELL_NAME);
	if (atomic_load(&p->host_open))
		console_tell(p, CONSOLE_TELL_OPEN);
	return true;
}

static bool port_open(struct console_port *p, uint16_t value)
{
	if (value > 1)
		return false;
	atomic_store(&p->guest_open, value == 1);
	return true;
}

/* False: it makes no sense. */
static bool take_message(struct console *c, const uint8_t *m)
{
	const uint32_t id = (uint32_t)load_le(m, 4);
	const uint16_t value = (uint16_t)load_le(m + 6, 2);
	const unsigned int event = (unsigned int)load_le(m + 4, 2);
	struct console_port *p;

	/* The port is unused then. */
	if (event == DEVICE_READY)
		return device_ready(c, value);
	p = id < CONSOLE_MAX_PORTS ? c->port[id] : NULL;
	if (!p || !atomic_load(&p->added))
		return false;
	if (event == PORT_READY)
		return port_ready(p, value);
	if (event == PORT_OPEN)
		return port_open(p, value);
	return false;
}

/* The first bytes of the chain; how many there were, -1: the queue broke. */
static int read_header(struct vq_chain *chain, uint8_t *to)
{
	struct vq_span span;
	uint32_t at = 0, n;
	int err = 1;

	while (at < HEADER && (err = vq_chain_next(chain, &span)) > 0) {
		if (span.write)
			continue;
		n = span.len < HEADER - at ? span.len : HEADER - at;
		memcpy(to + at, span.host, n);
		at += n;
	}
	return err < 0 ? -1 : (int)at;
}

bool console_control_tx(struct console *c, unsigned int budget)
{
	struct virtio *v = c->device.virtio;
	struct vq *vq = virtio_queue(v, CONSOLE_CONTROL_TX);
	uint8_t header[HEADER];
	struct vq_chain chain;
	int n;

	for (; budget && vq_pop(vq, &chain); budget--) {
		n = read_header(&chain, header);
		if (n < 0)
			return false;
		if (n < (int)HEADER || !c->multiport ||
		    !take_message(c, header))
			virtio_bad_request(v, CONSOLE_CONTROL_TX);
		else
			virtio_event(v);
		vq_push(vq, &chain, 0);
	}
	return !budget;
}
