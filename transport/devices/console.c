/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: queues move bytes between chains and two rings, and home moves them
 * between the rings and the host's end.  Whatever a queue did it tells home by
 * virtio_event(), and home looks at all ports: there are few.
 */
#include "transport/devices/console.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/devices/console_device.h"

#define QUEUE_SIZE 128
/* Pieces of chains that one run takes apart, whatever their length. */
#define RUN_SPANS  1024

/* virtio 1.2, 5.3.4 */
#define CONFIG_COLS	 0
#define CONFIG_ROWS	 2
#define CONFIG_MAX_PORTS 4
#define CONFIG_EMERG_WR	 8
#define CONFIG_BYTES	 12

static struct console *to_console(struct virtio_device *d)
{
	return container_of(d, struct console, device);
}

static struct console_port *to_port(struct console_host *h)
{
	return container_of(h, struct console_port, host);
}

/* ---- News of the host's end -------------------------------------------------- */

static void on_reader(struct console_host *h, bool there)
{
	struct console_port *p = to_port(h);

	atomic_store(&p->host_open, there);
	if (!atomic_load(&p->ready))
		return; /* told when it is */
	console_tell(p, there ? CONSOLE_TELL_OPEN : CONSOLE_TELL_CLOSED);
	console_control_wake(p->console);
}

static void on_input(struct console_host *h)
{
	struct console_port *p = to_port(h);

	virtio_queue_activate(p->console->device.virtio,
			      console_rx_queue(p->id));
}

static void on_room(struct console_host *h)
{
	struct console_port *p = to_port(h);

	virtio_queue_activate(p->console->device.virtio,
			      console_rx_queue(p->id) + 1);
}

static void on_size(struct console_host *h, uint16_t cols, uint16_t rows)
{
	struct console_port *p = to_port(h);
	struct console *c = p->console;

	if (!p->is_console)
		return;
	atomic_store(&p->size, (uint32_t)rows << 16 | cols);
	if (atomic_load(&p->ready)) {
		console_tell(p, CONSOLE_TELL_SIZE);
		console_control_wake(c);
	}
	if (p->id || !c->sized)
		return;
	virtio_config_changed(c->device.virtio);
}

static void on_again(struct console_host *h)
{
	virtio_event(to_port(h)->console->device.virtio);
}

static void on_lost(struct console_host *h)
{
	struct console_port *p = to_port(h);

	atomic_store(&p->gone, true);
	if (!atomic_load(&p->added))
		return;
	console_tell(p, CONSOLE_TELL_REMOVE);
	console_control_wake(p->console);
}

static const struct console_host_news news = {
	.reader = on_reader,
	.input = on_input,
	.room = on_room,
	.size = on_size,
	.again = on_again,
	.lost = on_lost,
};

/* ---- Receive: from the host to the driver ------------------------------------ */

/* Bytes written, -1: the queue broke. */
static int64_t fill(struct console_ring *in, struct vq_chain *chain)
{
	struct vq_span span;
	uint32_t written = 0;
	int err = 1;

	while (console_ring_bytes(in) &&
	       (err = vq_chain_next(chain, &span)) > 0)
		if (span.write)
			written += console_ring_get(in, span.host, span.len);
	return err < 0 ? -1 : (int64_t)written;
}

static bool run_rx(struct console_port *p, unsigned int q, unsigned int budget)
{
	struct virtio *v = p->console->device.virtio;
	struct console_ring *in = &p->host.in;
	struct vq *vq = virtio_queue(v, q);
	struct vq_chain chain;
	int64_t written = 0;

	if (!atomic_load(&p->guest_open))
		return false;
	/* Chains wait in the queue while there is nothing for them. */
	for (; budget && console_ring_bytes(in); budget--) {
		if (!vq_pop(vq, &chain))
			break;
		written = fill(in, &chain);
		if (written < 0)
			break;
		if (!written)
			virtio_bad_request(v, q);
		vq_push(vq, &chain, (uint32_t)written);
	}
	if (console_ring_wake(in))
		virtio_event(v);
	return !budget && console_ring_bytes(in);
}

/* ---- Transmit: from the driver to the host ----------------------------------- */

enum progress {
	CHAIN_DONE,
	RING_FULL,
	SHARE_SPENT,
	QUEUE_BROKE
};

/* After memory has changed: the same chain from its start. */
static void rewalk(struct console_port *p)
{
	p->rewalk = false;
	p->chain = p->start;
	p->span.len = 0;
	p->skip = p->done;
}

/* The next piece to be copied is in p->span. */
static int next_span(struct console_port *p)
{
	uint32_t n;
	int err;

	err = vq_chain_next(&p->chain, &p->span);
	if (err <= 0 || p->span.write) {
		p->span.len = 0; /* what can be written says nothing */
		return err;
	}
	n = p->skip < p->span.len ? (uint32_t)p->skip : p->span.len;
	p->skip -= n;
	p->span.host = (uint8_t *)p->span.host + n;
	p->span.len -= n;
	return err;
}

static enum progress copy_chain(struct console_port *p, unsigned int *spans)
{
	struct console_ring *out = &p->host.out;
	uint32_t n;
	int err;

	for (;;) {
		while (!p->span.len) {
			if (!*spans)
				return SHARE_SPENT;
			--*spans;
			err = next_span(p);
			if (err <= 0)
				return err ? QUEUE_BROKE : CHAIN_DONE;
		}
		n = console_ring_put(out, p->span.host, p->span.len);
		p->span.host = (uint8_t *)p->span.host + n;
		p->span.len -= n;
		p->done += n;
		if (p->span.len && !console_ring_wait(out))
			return RING_FULL;
	}
}

static bool take_chain(struct console_port *p, struct vq *vq)
{
	if (p->held) {
		if (p->rewalk)
			rewalk(p);
		return true;
	}
	if (!vq_pop(vq, &p->start))
		return false;
	p->chain = p->start;
	p->held = true;
	p->rewalk = false;
	p->span.len = 0;
	p->done = 0;
	p->skip = 0;
	return true;
}

static void give_chain(struct console_port *p, struct vq *vq, unsigned int q)
{
	if (!p->done)
		virtio_bad_request(p->console->device.virtio, q);
	p->held = false;
	vq_push(vq, &p->start, 0);
}

static bool run_tx(struct console_port *p, unsigned int q, unsigned int budget)
{
	struct virtio *v = p->console->device.virtio;
	struct vq *vq = virtio_queue(v, q);
	unsigned int spans = RUN_SPANS;
	enum progress come = CHAIN_DONE;
	const uint32_t head = console_ring_head(&p->host.out);

	while (budget && come == CHAIN_DONE && take_chain(p, vq)) {
		come = copy_chain(p, &spans);
		if (come == CHAIN_DONE) {
			give_chain(p, vq, q);
			budget--;
		}
	}
	if (come == QUEUE_BROKE)
		p->held = false;
	if (console_ring_head(&p->host.out) != head)
		virtio_event(v);
	/* Home activates the queue when a full ring has room again. */
	return come == SHARE_SPENT || !budget;
}

/* ---- Queues ------------------------------------------------------------------ */

/* Of a queue that carries bytes; NULL: there is none, or it is not used. */
static struct console_port *port_of(const struct console *c, unsigned int q)
{
	const unsigned int port = q < 2 ? 0 : q / 2 - 1;

	if (q == CONSOLE_CONTROL_RX || q == CONSOLE_CONTROL_TX)
		return NULL;
	return !port || c->multiport ? c->port[port] : NULL;
}

static bool console_queue_run(struct virtio_device *d, unsigned int q,
			      unsigned int budget)
{
	struct console *c = to_console(d);
	struct console_port *p = port_of(c, q);

	if (q == CONSOLE_CONTROL_RX)
		return console_control_rx(c, budget);
	if (q == CONSOLE_CONTROL_TX)
		return console_control_tx(c, budget);
	if (!p)
		return false; /* what the driver offers there stays there */
	return q % 2 ? run_tx(p, q, budget) : run_rx(p, q, budget);
}

static void console_queue_quiesce(struct virtio_device *d, unsigned int q)
{
	struct console_port *p = port_of(to_console(d), q);

	if (p && q % 2)
		p->rewalk = true;
}

static void console_queue_stop(struct virtio_device *d, unsigned int q)
{
	struct console_port *p = port_of(to_console(d), q);

	if (p && q % 2)
		p->held = false;
}

/* ---- The device -------------------------------------------------------------- */

static void start_port(struct console *c, struct console_port *p)
{
	/* Without control messages nobody says that it is open. */
	atomic_store(&p->guest_open, !c->multiport);
	atomic_store(&p->ready, false);
	atomic_store(&p->added, false);
	atomic_store(&p->host_open, false);
	atomic_store(&p->todo, 0);
	p->held = false;
	if (!p->id || c->multiport)
		console_host_start(&p->host, !c->multiport);
}

static void console_start(struct virtio_device *d)
{
	struct console *c = to_console(d);
	unsigned int i;

	c->multiport = virtio_has(&d->virtio->s.driver, CONSOLE_F_MULTIPORT);
	c->sized = virtio_has(&d->virtio->s.driver, CONSOLE_F_SIZE);
	c->asked = false;
	for (i = 0; i < c->nr_ports; i++)
		if (c->port[i])
			start_port(c, c->port[i]);
}

static void console_stop(struct virtio_device *d)
{
	struct console *c = to_console(d);
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++)
		if (c->port[i])
			console_host_stop(&c->port[i]->host);
}

static void console_event(struct virtio_device *d)
{
	struct console *c = to_console(d);
	struct console_port *p;
	unsigned int i;
	bool open;

	for (i = 0; i < c->nr_ports; i++) {
		p = c->port[i];
		if (!p || !p->host.running)
			continue;
		open = atomic_load(&p->guest_open);
		if (open && !p->host.wanted && console_ring_bytes(&p->host.in))
			on_input(&p->host);
		console_host_want(&p->host, open);
	}
	console_control_wake(c);
}

static uint64_t console_config_read(struct virtio_device *d, uint32_t off,
				    unsigned int size)
{
	const struct console *c = to_console(d);
	const struct console_port *p = c->port[0];
	uint8_t config[CONFIG_BYTES] = { 0 };
	uint32_t window = (uint32_t)c->rows << 16 | c->cols;

	if (p)
		window = atomic_load(&p->size);
	store_le(config + CONFIG_COLS, 2, window & 0xffff);
	store_le(config + CONFIG_ROWS, 2, window >> 16);
	store_le(config + CONFIG_MAX_PORTS, 4, c->nr_ports);
	return load_le(config + off, size);
}

static void console_config_write(struct virtio_device *d, uint32_t off,
				 unsigned int size, uint64_t value)
{
	struct console *c = to_console(d);

	(void)size;
	if (off != CONFIG_EMERG_WR || !c->port[0]) {
		d->virtio->stats.bad_writes++;
		return;
	}
	console_host_urge(&c->port[0]->host, (uint8_t)value);
}

static void console_destroy(struct virtio_device *d)
{
	struct console *c = to_console(d);
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++) {
		if (!c->port[i])
			continue;
		console_host_close(&c->port[i]->host);
		free(c->port[i]);
	}
	free(c);
}

static const struct virtio_device_ops console_ops = {
	.name = "console",
	.type = CONSOLE_DEVICE_ID,
	.features = NULL,
	.start = console_start,
	.queue_quiesce = console_queue_quiesce,
	.queue_stop = console_queue_stop,
	.stop = console_stop,
	.queue_run = console_queue_run,
	.queue_sleep = NULL,
	.event = console_event,
	.config_read = console_config_read,
	.config_write = console_config_write,
	.destroy = console_destroy,
};

static int make_port(struct console *c, unsigned int id,
		     const struct console_port_spec *spec, char *error,
		     size_t room)
{
	struct console_port *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->console = c;
	p->id = id;
	p->is_console = spec->console;
	memcpy(p->name, spec->name, sizeof(p->name));
	atomic_store(&p->size, (uint32_t)c->rows << 16 | c->cols);
	err = console_host_open(&p->host, &spec->host, &news, error, room);
	if (err) {
		free(p);
		return err;
	}
	c->port[id] = p;
	c->nr_ports = id + 1;
	return 0;
}

int console_create(const struct console_spec *spec, struct virtio_device **out,
		   char *error, size_t room)
{
	struct console *c = calloc(1, sizeof(*c));
	unsigned int i;
	int err;

	snprintf(error, room, "device console: no memory");
	if (!c)
		return -ENOMEM;
	c->cols = spec->cols;
	c->rows = spec->rows;
	for (i = 0; i < CONSOLE_MAX_PORTS; i++) {
		if (!spec->port[i].there)
			continue;
		err = make_port(c, i, &spec->port[i], error, room);
		if (err) {
			console_destroy(&c->device);
			return err;
		}
	}
	c->device = (struct virtio_device){
		.ops = &console_ops,
		.nr_queues = (uint16_t)(2 * (c->nr_ports + 1)),
		.queue_max = QUEUE_SIZE,
		.config_size = CONFIG_BYTES,
	};
	virtio_set(&c->device.offer, CONSOLE_F_SIZE);
	virtio_set(&c->device.offer, CONSOLE_F_MULTIPORT);
	virtio_set(&c->device.offer, CONSOLE_F_EMERG_WRITE);
	*out = &c->device;
	return 0;
}
