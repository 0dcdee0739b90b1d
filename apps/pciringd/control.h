/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.h - the control thread: one epoll loop over everything that is slow
 *
 * Sources (sockets, signals) say what to do when their descriptor is ready;
 * other threads hand in functions with control_call().  What runs here may
 * allocate, map, close and log, but never waits for a peer.
 *
 * Order     one source at a time, each in its turn: a source that is always
 *           ready does not keep the others waiting.  With EPOLLET one that
 *           became ready again while it ran has another turn, behind them
 * Threads   control_call() any other thread; all else the control thread
 * Memory    sources are the caller's and may be removed from any handler
 */
#ifndef APPS_PCIRINGD_CONTROL_H
#define APPS_PCIRINGD_CONTROL_H

#include <pthread.h>

#include "ring/base.h"

struct control;

struct control_source {
	int fd;		 /* borrowed */
	uint32_t events; /* EPOLL*: what is waited for */
	void (*ready)(struct control_source *s, uint32_t events);
};

/* Called about once a second while registered. */
struct control_tick {
	void (*tick)(struct control_tick *t);
	struct control_tick *next;
};

struct control_request;

struct control {
	int epoll_fd; /* owned */
	bool stop;
	struct control_tick *ticks;
	uint64_t next_tick_ms;
	struct control_source wake; /* owns its eventfd */
	pthread_mutex_t lock;	    /* of the list below and its requests */
	pthread_cond_t done;
	struct control_request *head, **tail;
	bool closed; /* no request is taken any more */
};

int control_init(struct control *c);
void control_fini(struct control *c);

/* -errno; @s->fd, @s->ready and @s->events are set. */
int control_add(struct control *c, struct control_source *s);
void control_events(struct control *c, struct control_source *s,
		    uint32_t events);
void control_remove(struct control *c, struct control_source *s);
void control_add_tick(struct control *c, struct control_tick *t);

/* Serve until control_stop(). */
void control_run(struct control *c);
void control_stop(struct control *c);

/* Milliseconds that never go back. */
uint64_t control_now_ms(void);

/*
 * Any other thread: have @fn(@arg) run on the control thread and wait for it.
 * 0 done; -ETIMEDOUT or -ESHUTDOWN not (yet), and @arg then belongs to the
 * control thread, which gives it to @release when it is through with it.
 */
int control_call(struct control *c, void (*fn)(void *arg), void *arg,
		 void (*release)(void *arg), unsigned int timeout_ms);

#endif
