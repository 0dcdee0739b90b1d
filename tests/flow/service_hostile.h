/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service_hostile.h - a process that attaches properly and then does its worst
 *
 * It has the segment as any client has, mapped whole and by its rings, and the
 * attach socket.  Each trick is a short time of one way to misbehave; between
 * two of them it attaches anew, with other lanes and another path.
 */
#ifndef TESTS_FLOW_SERVICE_HOSTILE_H
#define TESTS_FLOW_SERVICE_HOSTILE_H

#include <stdatomic.h>

#include "ring/channel.h"

struct hostile {
	int sock;
	struct channel ch;
	uint8_t *segment; /* all of it */
	size_t size;
	uint64_t random;
};

/* What a hostile process tells of itself, in memory that it shares. */
struct hostile_report {
	_Atomic uint64_t runs[16];  /* by trick */
	_Atomic uint64_t ended[16]; /* by the service, meanwhile */
	_Atomic uint64_t walks;	    /* over every byte of a segment */
	_Atomic uint64_t attached;
	_Atomic uint64_t surprises; /* what must not have worked, and did */
};

enum hostile_trick {
	HOSTILE_WALK,	  /* every byte once, each while it is served */
	HOSTILE_SCRIBBLE, /* all bytes, all the time */
	HOSTILE_INDICES,  /* heads and tails, over and over */
	HOSTILE_REQUESTS, /* whole requests of nonsense: seq, op, tag, size */
	HOSTILE_ANSWERS,  /* takes what was not sent, forges what it took */
	HOSTILE_HOLES,	  /* punched, and attempts to truncate, grow, seal */
	HOSTILE_WAITS,	  /* sleepers that are none, kicks without end */
	HOSTILE_FLOOD,	  /* questions and doorbells, all legal */
	HOSTILE_COMES,	  /* and goes */
	HOSTILE_MEMORY,	  /* lent, truncated, lent again */
	HOSTILE_NR
};

/* Attach to @machine; 0 or the error of the answer. */
int hostile_attach(struct hostile *h, const char *machine, unsigned int lanes,
		   bool mailbox);
void hostile_detach(struct hostile *h);

/* Whether the service has ended it, within @ms. */
bool hostile_ended(struct hostile *h, int ms);

/* A request of any bytes but an op, size and space that can be. */
struct msg_access hostile_request(struct hostile *h, bool possible);

/* Trick after trick at @machine for @seconds, and each once at least; longer if
 * the service has not yet ended each of those that it can tell. */
void hostile_run(const char *machine, unsigned int seconds, uint64_t seed,
		 struct hostile_report *report);

#endif
