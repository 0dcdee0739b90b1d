/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * console_device.h - what a console is made of; for its own files
 *
 * Field         written by                  read by
 * guest_open    control transmit            home, receive
 * ready, added  control transmit            home, control receive
 * host_open,    home                        control
 *  size, gone
 * todo          home, control               control receive
 *
 * All of these are sequentially consistent: none is on the path of bytes.  A
 * cause is stored before its bit of todo is set, and the bit is cleared before
 * the cause is read: what is told last is how it is.
 */
#ifndef TRANSPORT_DEVICES_CONSOLE_DEVICE_H
#define TRANSPORT_DEVICES_CONSOLE_DEVICE_H

#include "transport/devices/console_host.h"
#include "transport/virtio/virtio.h"

#define CONSOLE_DEVICE_ID 3
#define CONSOLE_MAX_PORTS 16u
#define CONSOLE_NAME_MAX  63u

/* virtio 1.2, 5.3.3 */
#define CONSOLE_F_SIZE	      0
#define CONSOLE_F_MULTIPORT   1
#define CONSOLE_F_EMERG_WRITE 2

/* virtio 1.2, 5.3.2 */
#define CONSOLE_CONTROL_RX 2u
#define CONSOLE_CONTROL_TX 3u

/* What the driver is to be told of a port, in this order. */
enum console_todo {
	CONSOLE_TELL_ADD,
	CONSOLE_TELL_CONSOLE,
	CONSOLE_TELL_NAME,
	CONSOLE_TELL_SIZE,
	CONSOLE_TELL_CLOSED,
	CONSOLE_TELL_OPEN,
	CONSOLE_TELL_REMOVE,
	CONSOLE_TELL_NR
};

struct console_port_spec {
	bool there, console;
	char name[CONSOLE_NAME_MAX + 1];
	struct console_host_spec host;
};

struct console_spec {
	uint16_t cols, rows;
	struct console_port_spec port[CONSOLE_MAX_PORTS];
};

struct console;

struct console_port {
	struct console *console; /* borrowed */
	unsigned int id;
	bool is_console;
	char name[CONSOLE_NAME_MAX + 1];
	struct console_host host;

	_Atomic bool guest_open, ready, added, host_open, gone;
	_Atomic uint32_t size; /* rows << 16 | cols */
	_Atomic uint32_t todo; /* bits of enum console_todo */

	/* Whoever runs the transmit queue: the chain that is half done. */
	bool held, rewalk;
	struct vq_chain start, chain;
	struct vq_span span; /* what is left of it */
	uint64_t done;	     /* bytes of the chain */
	uint64_t skip;	     /* of them, to be passed over again */
};

struct console {
	struct virtio_device device;
	bool multiport, sized; /* negotiated; constant while started */
	bool asked;	       /* control transmit: DEVICE_READY came */
	unsigned int nr_ports; /* the highest and one */
	uint16_t cols, rows;
	struct console_port *port[CONSOLE_MAX_PORTS]; /* owned; NULL: none */
};

/* -errno, and a sentence in @error. */
int console_create(const struct console_spec *spec, struct virtio_device **out,
		   char *error, size_t room);

static inline unsigned int console_rx_queue(unsigned int port)
{
	return port ? 2 * port + 2 : 0;
}

/* ---- console_control.c ------------------------------------------------------ */

/* Any thread.  Have it told; the caller sees to it that control receive is run:
 * home by console_control_wake(), others by virtio_event(). */
void console_tell(struct console_port *p, enum console_todo what);
/* Home. */
void console_control_wake(struct console *c);

bool console_control_rx(struct console *c, unsigned int budget);
bool console_control_tx(struct console *c, unsigned int budget);

#endif
