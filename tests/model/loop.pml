/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop.pml - a poll loop that sleeps on its eventfds
 *
 * The code   loop_sleep(), wait_for_kick(), loop_call() of
 *            apps/pciringd/loop.c; channel_sleep(), channel_has_work(),
 *            channel_awake(); wait_wake() in channel_put()
 * Who        the loop, two clients that ask, some of it without waiting for
 *            the answer, and the control thread
 * LINKS      1: the clients are two lanes of one channel, so they declare and
 *            write to the same words and the same kick; 2: each has its own
 * Claim      all that was asked is taken, each call is made.  The loop may
 *            sleep for ever only when all the others are done
 *
 * RUN -DLINKS=2 -DROUNDS=2 -DCALLS=0
 * RUN -DLINKS=2 -DROUNDS=1 -DCALLS=1
 * RUN -DLINKS=1 -DROUNDS=1 -DCALLS=2
 * RUN -DLINKS=1 -DROUNDS=2 -DCALLS=1
 */
#ifndef WEAK
#define WEAK 0
#endif

#define WEAK_W1		1 /* no fence after declaring */
#define WEAK_W2		2 /* no fence before looking for a declaration */
#define WEAK_LOOK	3 /* no second look after declaring */
#define WEAK_DRAIN	4 /* the kick is drained after the second look */
#define WEAK_ASLEEP	5 /* asleep is no sequentially consistent store */
#define WEAK_CALL	6 /* nor is the call */
#define WEAK_LOOK_CALL	7 /* no look for a call after asleep is set */
#define SAFE_DRAIN	8 /* drained before mode is reset: no harm */

#define ASLEEP		0
#define CALL		1
#define MODE(l)		(2 + (l))
#define ASK(c)		(4 + (c))
#define ANSWER(c)	(6 + (c))
#define WORDS		8

#define LOOP		2 /* the clients are 0 and 1 */
#define CONTROL		3
#define CPUS		4
#ifndef BUFFER
#ifndef BUFFER
#ifndef BUFFER
#ifndef BUFFER
#define BUFFER 3
#endif
#endif
#endif
#endif

#include "memory.pml"

#define AWAKE		0
#define EVENTFD		1
#define LINK(c)		((c) % LINKS)

/* Eventfds, readable or not, and a semaphore: the kernel's, so each call is a
 * fence of its own. */
bool kick[2], wake;
byte made;

inline signal_fd(who, fd)
{
	atomic { fence(who); fd = true }
}

inline drain_kicks()
{
	atomic { fence(LOOP); kick[0] = false; kick[1] = false }
}

proctype loop()
{
	byte x, c, taken[2];
	bool work;

turn:	work = false;
	c = 0;
	do
	:: c == 2 -> break
	:: else ->
		load(LOOP, ASK(c), x);
		if
		:: x != taken[c] ->
			taken[c] = x;
			work = true;
			store_release(LOOP, ANSWER(c), x)
		:: else
		fi;
		c++
	od;
	load(LOOP, CALL, x);
	if
	:: x ->
		work = true;
		store(LOOP, CALL, 0);
		atomic { fence(LOOP); made++ }
	:: else
	fi;
	if
	:: work -> goto turn
	:: else
	fi;

	/* loop_sleep(): machine_sleep() of each, then the call. */
	c = 0;
	do
	:: c == LINKS -> break
	:: else ->
		store(LOOP, MODE(c), EVENTFD);
#if WEAK != WEAK_W1
		fence(LOOP);
#endif
#if WEAK != WEAK_LOOK
		load(LOOP, ASK(c), x);
		work = work || x != taken[c];
#if LINKS == 1
		load(LOOP, ASK(1), x);
		work = work || x != taken[1];
#endif
#endif
		c++
	od;
#if WEAK == WEAK_ASLEEP
	store(LOOP, ASLEEP, 1);
#else
	store_now(LOOP, ASLEEP, 1);
#endif
#if WEAK != WEAK_LOOK_CALL
	load(LOOP, CALL, x);
	work = work || x;
#endif
#if WEAK == WEAK_DRAIN
	drain_kicks();
#endif
	if
	:: !work ->
		x = 0;
		c = 0;
end:		kick[0] || kick[1] || wake;
		wake = false
	:: else
	fi;
	store(LOOP, ASLEEP, 0);
#if WEAK == SAFE_DRAIN
	drain_kicks();
#endif
	c = 0;
	do
	:: c == LINKS -> break
	:: else -> store(LOOP, MODE(c), AWAKE); c++
	od;
#if WEAK != SAFE_DRAIN && WEAK != WEAK_DRAIN
	drain_kicks();
#endif
	goto turn
}

proctype client(byte me)
{
	byte round = 1, x;

	do
	:: round > ROUNDS -> break
	:: else ->
		store_release(me, ASK(me), round);
#if WEAK != WEAK_W2
		fence(me);
#endif
		load(me, MODE(LINK(me)), x);
		if
		:: x == EVENTFD ->
			exchange(me, MODE(LINK(me)), AWAKE, x);
			if
			:: x == EVENTFD -> signal_fd(me, kick[LINK(me)])
			:: else
			fi
		:: else
		fi;
		x = 0;
		/* Posted, but for the last one. */
		if
		:: round < ROUNDS
		:: true -> wait_until(ANSWER(me), round)
		fi;
		round++
	od
}

proctype control()
{
	byte n, x;

	do
	:: n == CALLS -> break
	:: else ->
#if WEAK == WEAK_CALL
		store(CONTROL, CALL, 1);
#else
		store_now(CONTROL, CALL, 1);
#endif
		load(CONTROL, ASLEEP, x);
		if
		:: x -> signal_fd(CONTROL, wake)
		:: else
		fi;
		x = 0;
		atomic { made > 0 -> made-- };
		n++
	od
}

init {
	atomic {
		run stores(0);
		run stores(1);
		run stores(LOOP);
		run stores(CONTROL);
		run loop();
		run client(0);
		run client(1);
		run control()
	}
}
