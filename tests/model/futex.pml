/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * futex.pml - a lane's thread that waits for answers, asleep on its futex
 *
 * The code   ring/wait.c; sleep_once() and pciring_call_away() of
 *            ring/client_access.c; channel_complete()
 * Who        the lane's thread, the poll loop that answers, somebody who calls
 *            the thread away once, a signal
 * Claim      every access ends, with its own answer; who was called away
 *            comes back.  A sleep here has no end of its own (the library's
 *            lasts 100 ms at most), so a lost wake-up is an end state in
 *            which not everybody is done: what spin calls an invalid one
 *
 * RUN -DROUNDS=3
 */
#ifndef WEAK
#define WEAK 0
#endif

#define WEAK_W1		1 /* no fence after declaring */
#define WEAK_W2		2 /* no fence before looking for a declaration */
#define WEAK_LOOK	3 /* no second look after declaring */
#define WEAK_BUMP	4 /* seq is bumped before mode is exchanged */
#define WEAK_TICKET	5 /* the ticket is read after declaring */
#define WEAK_ROUSE	6 /* call_away wakes without a bump of seq */
#define WEAK_LEAVE	7 /* call_away's flag only after it woke */
#define WEAK_M2		8 /* the answer's seq is no release */

#define MODE	0
#define SEQ	1
#define ASK	2
#define ANSWER	3
#define RESULT	4
#define LEAVE	5
#define WORDS	6

#define LANE	0
#define LOOP	1
#define CALLER	2
#define CPUS	3
#define BUFFER	3

#include "memory.pml"

#define AWAKE	0
#define FUTEX	1

bool asleep; /* the thread is in the kernel's queue of SEQ */
bool came_away, signalled;

/* The kernel compares and queues under a lock that a waker takes too. */
inline futex_wait(who, seen)
{
	atomic {
		fence(who);
		if
		:: mem[SEQ] == seen -> asleep = true
		:: else
		fi
	}
	!asleep
}

inline futex_wake(who)
{
	atomic { fence(who); asleep = false }
}

proctype lane()
{
	byte round = 1, ticket, x;

	do
	:: round > ROUNDS -> break
	:: else ->
		store_release(LANE, ASK, round);
again:
		/* It may have spun: then it may have seen the answer. */
		if
		:: load(LANE, ANSWER, x);
			if
			:: x == round -> goto got
			:: else
			fi
		:: true
		fi;
#if WEAK != WEAK_TICKET
		load(LANE, SEQ, ticket);
#endif
		store(LANE, MODE, FUTEX);
#if WEAK != WEAK_W1
		fence(LANE);
#endif
#if WEAK == WEAK_TICKET
		load(LANE, SEQ, ticket);
#endif
#if WEAK != WEAK_LOOK
		load(LANE, ANSWER, x);
		if
		:: x == round -> store(LANE, MODE, AWAKE); goto got
		:: else
		fi;
#endif
		load(LANE, LEAVE, x);
		if
		:: x -> exchange(LANE, LEAVE, 0, x)
		:: else
		fi;
		if
		:: x -> came_away = true
		:: else -> futex_wait(LANE, ticket)
		fi;
		x = 0;
		store(LANE, MODE, AWAKE);
		/* The signal and a call are one reason to go. */
		if
		:: signalled ->
			signalled = false;
			load(LANE, LEAVE, x);
			if
			:: x -> exchange(LANE, LEAVE, 0, x); came_away = true
			:: else
			fi;
			x = 0
		:: else
		fi;
		/* Away, or woken: either way it collects again. */
		goto again;
got:
		load(LANE, RESULT, x);
		assert(x == round);
		x = 0;
		ticket = 0;
		round++
	od
}

proctype loop()
{
	byte round = 1, x;

	do
	:: round > ROUNDS -> break
	:: else ->
		wait_until(ASK, round);
		/* It may be so slow that the thread has to be called away. */
		if
		:: true
		:: true -> came_away
		fi;
		store(LOOP, RESULT, round);
#if WEAK == WEAK_M2
		store(LOOP, ANSWER, round);
#else
		store_release(LOOP, ANSWER, round);
#endif
#if WEAK != WEAK_W2
		fence(LOOP);
#endif
		load(LOOP, MODE, x);
		if
		:: x == FUTEX ->
#if WEAK == WEAK_BUMP
			add_one(LOOP, SEQ);
#endif
			exchange(LOOP, MODE, AWAKE, x);
			if
			:: x == FUTEX ->
#if WEAK != WEAK_BUMP
				add_one(LOOP, SEQ);
#endif
				futex_wake(LOOP)
			:: else
			fi
		:: else
		fi;
		x = 0;
		round++
	od
}

proctype caller()
{
#if WEAK != WEAK_LEAVE
	store_now(CALLER, LEAVE, 1);
#endif
#if WEAK != WEAK_ROUSE
	add_one(CALLER, SEQ);
#endif
	futex_wake(CALLER);
#if WEAK == WEAK_LEAVE
	store_now(CALLER, LEAVE, 1)
#endif
}

/* One that comes while the thread sleeps, or none. */
proctype signal()
{
end:	if
	:: atomic { asleep -> asleep = false; signalled = true }
	:: true
	fi
}

init {
	atomic {
		run stores(LANE);
		run stores(LOOP);
		run stores(CALLER);
		run lane();
		run loop();
		run caller();
		run signal()
	}
}
