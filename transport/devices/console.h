/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * console.h - virtio-console (virtio 1.2, 5.3): up to 16 ports, each with a
 * pty, a socket or a file at its host's end (console_host.h)
 *
 * Options
 *   port0 ... port15   KIND:PATH[,WORD...]: KIND is pty, unix or file; WORDs are
 *	name=TEXT	what the guest finds the port by, 1 to 63 characters
 *	console, data	what the guest makes of it: a console with a size, or
 *			plain bytes.  Port 0 is a console, others are data
 *	input=PATH	of a file: what the guest reads
 *   size=80x25		columns and rows until a pty says otherwise
 *
 * A driver without MULTIPORT has port 0 alone.  With it, it is told of every
 * port by control messages: they are no queue of messages but bits of what
 * is to be told, so a driver that asks much gets the same answers once.
 *
 * Size     the window of a pty while somebody has it open: to the driver by
 *	    RESIZE and, port 0's, by a configuration change
 * Away     of a console port the last 4 KiB that nobody read are held for the
 *	    next reader; a data port's are dropped, for they would answer nobody
 * Lost     a port whose socket cannot be used any more is removed: DEVICE_REMOVE
 *
 * Threads  home: the hosts' ends, control messages' causes, configuration.
 *	    Each queue: any loop; receive and transmit reach the host's end by
 *	    a ring each, control by atomic bits.  So queues need not stay
 *	    together.  Only home activates a queue, also one that is away; the
 *	    loops of queues call virtio_event() for that
 * Held     one half-done chain of a transmit queue: its place is found again
 *	    from its start after memory has changed
 */
#ifndef TRANSPORT_DEVICES_CONSOLE_H
#define TRANSPORT_DEVICES_CONSOLE_H

#include "transport/devices/devices.h"

extern const struct device_type console_type;

#endif
