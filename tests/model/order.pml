/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * order.pml - one lane: posted writes by ring, questions by mailbox
 *
 * The code   channel_put(), take_mailbox() of ring/channel_service.c,
 *            ring_put_one(), ring_get() and ring_get_some() of
 *            ring/ring.h
 * Who        the lane's thread, which does OPS accesses, each posted or asked
 *            as it likes and numbered as it goes; the poll loop, which takes
 *            at most MAX of the ring in a turn
 * Claim      the loop takes them in the order of their numbers, complete, each
 *            once; and everybody comes to his end
 *
 * RUN -DOPS=5
 */
#ifndef WEAK
#define WEAK 0
#endif

#define WEAK_ASK_LATE	1 /* the question is looked for after the ring */
#define WEAK_CACHE	2 /* also with one, an old index will do */
#define WEAK_M1		3 /* the question's seq is no release */
#define WEAK_R1		4 /* nor is the ring's tail */
#define WEAK_FULL	5 /* the question is taken though there may be more */

/* No slot is used twice: R2 and A2 have nothing to do here. */
#define MAX		2
#define TAIL		0
#define ASK		1
#define QUESTION	2
#define ANSWER		3
#define SLOT(i)		(4 + (i))
#define WORDS		(4 + OPS)

#define LANE		0
#define LOOP		1
#define CPUS		2
#define BUFFER		3

#include "memory.pml"

proctype lane()
{
	byte n, seq, tail;

	do
	:: n == OPS -> break
	:: else ->
		n++;
		if
		:: true ->
			store(LANE, SLOT(tail), n);
			tail++;
#if WEAK == WEAK_R1
			store(LANE, TAIL, tail)
#else
			store_release(LANE, TAIL, tail)
#endif
		:: true ->
			seq++;
			store(LANE, QUESTION, n);
#if WEAK == WEAK_M1
			store(LANE, ASK, seq);
#else
			store_release(LANE, ASK, seq);
#endif
			wait_until(ANSWER, seq)
		fi
	od
}

inline expect()
{
	done++;
	assert(x == done)
}

proctype loop()
{
	byte ask, taken, mine, peer, n, x, done;

	do
	:: done == OPS -> break
	:: else ->
#if WEAK != WEAK_ASK_LATE
		load(LOOP, ASK, ask);
#endif
		/* Without a question what is known to be there will do. */
		if
		:: peer == mine -> load(LOOP, TAIL, peer)
#if WEAK != WEAK_CACHE
		:: ask != taken && peer != mine && peer - mine < MAX ->
			load(LOOP, TAIL, peer)
#endif
		:: else
		fi;
		n = 0;
		do
		:: n < MAX && mine != peer ->
			load(LOOP, SLOT(mine), x);
			expect();
			mine++;
			n++
		:: else -> break
		od;
#if WEAK == WEAK_ASK_LATE
		load(LOOP, ASK, ask);
#endif
		if
#if WEAK == WEAK_FULL
		:: ask != taken ->
#else
		:: n < MAX && ask != taken ->
#endif
			taken = ask;
			load(LOOP, QUESTION, x);
			expect();
			store_release(LOOP, ANSWER, ask)
		:: else
		fi;
		x = 0
	od
}

init {
	atomic {
		run stores(LANE);
		run stores(LOOP);
		run lane();
		run loop()
	}
}
