/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * console_host.h - the host's end of a console port: a pty, a socket, a file
 *
 * Bytes for whoever reads there come from ring `out', his own go into ring
 * `in'.  It has not heard of virtio.
 *
 * pty	   a symbolic link at a path of the operator's choice points to it, and
 *	   goes with it.  Somebody is there while the other side is open, which
 *	   is looked for four times a second (Linux has no event for it); while
 *	   he is there, his window's size is asked for once a second
 * unix	   listens; one client at a time, the next one is accepted after he went
 * file	   output is appended; input comes from another file, to its end.
 *	   Always there
 *
 * Slow	   a reader who takes something now and then loses nothing: `out' fills
 *	   and its producer waits.  Who has taken nothing for ten seconds counts
 *	   as gone until he reads again; what comes meanwhile is dropped
 * Gone	   while nobody is there the last 4 KiB are held for the next one
 *	   (`hold'), or everything is dropped.  What he had sent before he went
 *	   is still read for ten seconds
 * Full	   a file that cannot be written: dropped, and said in the log
 *
 * Threads   open and close: control.  The rest, and the news: one loop, home,
 *	   whose io_uring does all reading and writing.  Of the rings this is
 *	   `out's consumer and `in's producer; the other sides may be elsewhere
 */
#ifndef TRANSPORT_DEVICES_CONSOLE_HOST_H
#define TRANSPORT_DEVICES_CONSOLE_HOST_H

#include <sys/types.h>

#include "transport/devices/console_ring.h"
#include "transport/devices/uring.h"

#define CONSOLE_HOLD_BYTES 4096u
#define CONSOLE_STALL_S	   10u

enum console_kind {
	CONSOLE_PTY,
	CONSOLE_UNIX,
	CONSOLE_FILE
};

struct console_host_spec {
	enum console_kind kind;
	char path[108];	 /* fits a socket's address */
	char input[108]; /* of a file; "": none */
	bool hold;
	uint16_t cols, rows; /* a pty's at first */
};

struct console_host;

struct console_host_news {
	/* Somebody is there, or not any more. */
	void (*reader)(struct console_host *h, bool there);
	/* There are bytes in `in'. */
	void (*input)(struct console_host *h);
	/* There is room in `out', for which its producer waited. */
	void (*room)(struct console_host *h);
	void (*size)(struct console_host *h, uint16_t cols, uint16_t rows);
	/* Call console_host_pump() in the next turn. */
	void (*again)(struct console_host *h);
	/* It can never be reached again. */
	void (*lost)(struct console_host *h);
};

enum console_phase {
	CONSOLE_IDLE,
	CONSOLE_MOVING,	 /* reads or writes, accepts, counts time */
	CONSOLE_READY,	 /* asks when it could */
	CONSOLE_WATCHES, /* asks when he goes */
	CONSOLE_PROBES	 /* asks whether he came */
};

/* One operation of the kernel's at a time. */
struct console_act {
	struct uring_op op;
	struct console_host *host;
	enum console_phase phase;
	bool cancelled;
};

struct console_host {
	const struct console_host_news *news; /* borrowed */
	struct console_host_spec spec;
	struct console_ring out, in;
	struct console_act read, write, accept, timer;
	struct __kernel_timespec period;

	int fd;	      /* owned; where to write; -1: nobody is there */
	int input;    /* owned if a file's; where to read; -1: nowhere */
	int listener; /* owned; -1: none */
	dev_t dev;    /* of the socket in the file system */
	ino_t ino;
	char slave[32]; /* a pty's other side */

	bool running;
	bool wanted;	     /* the guest takes input */
	bool there;	     /* somebody is */
	bool told;	     /* the last of news->reader */
	bool hung_up;	     /* he went, but left something to read */
	bool stalled;	     /* he takes nothing */
	bool leaving;	     /* what was begun for him has not ended */
	bool probe;	     /* look now whether he came */
	bool deaf;	     /* lost, or no io_uring: everything is dropped */
	bool urging;	     /* what is being written comes from urgent */
	unsigned int stuck;  /* seconds without progress */
	uint32_t second_ms;  /* 1000; of a test shorter */
	uint16_t cols, rows; /* as last heard */

	uint8_t urgent[256]; /* of emergency writes; goes before `out' */
	unsigned int nr_urgent;
	uint64_t dropped; /* bytes */
};

/* -errno, and a sentence in @error. */
int console_host_open(struct console_host *h,
		      const struct console_host_spec *spec,
		      const struct console_host_news *news, char *error,
		      size_t room);
/* Stopped before.  Removes what open made in the file system. */
void console_host_close(struct console_host *h);

/* From now on bytes move.  `in' is empty then, `out' may be filled. */
void console_host_start(struct console_host *h, bool wanted);
/* On return nothing is under way; what the reader could take at once of what
 * was in `out' he has got. */
void console_host_stop(struct console_host *h);

/* Something came into `out', or there is room in `in' again. */
void console_host_pump(struct console_host *h);
/* Does the guest take input? */
void console_host_want(struct console_host *h, bool wanted);
/* A byte that comes before all others, started or not. */
void console_host_urge(struct console_host *h, uint8_t byte);

/* ---- console_end.c: the file system's part; control ------------------------ */

int console_end_open(struct console_host *h, char *error, size_t room);
void console_end_close(struct console_host *h);

#endif
