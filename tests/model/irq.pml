/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq.pml - a loop that sends interrupts and a thread that waits for them,
 *           both asleep, over a ring that is full at ROOM
 *
 * The code   channel_irq(), channel_irq_wake(), channel_get_irqs();
 *            pciring_irq_wait() of ring/client_access.c; machine_turn(),
 *            machine_sleep() and link_retry() of transport/machine/machine.c
 * Claim      all IRQS are sent and taken: neither sleeps while the other
 *            waits for it
 *
 * RUN -DIRQS=4
 */
#ifndef WEAK
#define WEAK 0
#endif

#define WEAK_W1		1 /* no fence after declaring */
#define WEAK_W2		2 /* no fence before looking for a declaration */
#define WEAK_ROOM	3 /* the loop sleeps without a look for room */
#define WEAK_KICK	4 /* who took interrupts does not kick */
#define WEAK_UNWOKEN	5 /* the loop sleeps without waking the thread */

#define ROOM		1
#define TAIL		0 /* the loop's */
#define HEAD		1 /* the thread's */
#define MODE		2 /* of the thread */
#define SEQ		3
#define LOOP_MODE	4
#define WORDS		5

#define THREAD		0
#define LOOP		1
#define CPUS		2
#define BUFFER		3

#include "memory.pml"

#define AWAKE		0
#define FUTEX		1
#define EVENTFD		2

bool asleep, kick;

inline declare(who, mode, how)
{
	store(who, mode, how);
#if WEAK != WEAK_W1
	fence(who)
#endif
}

inline look_for_sleeper(who, mode)
{
#if WEAK != WEAK_W2
	fence(who);
#endif
	load(who, mode, x);
	if
	:: x != AWAKE -> exchange(who, mode, AWAKE, x)
	:: else
	fi
}

proctype thread()
{
	byte head, tail, ticket, x;

	do
	:: head == IRQS -> break
	:: else ->
		load(THREAD, TAIL, tail);
		if
		:: tail != head ->
			head = tail;
			store_release(THREAD, HEAD, head);
#if WEAK != WEAK_KICK
			look_for_sleeper(THREAD, LOOP_MODE);
			if
			:: x == EVENTFD ->
				atomic { fence(THREAD); kick = true }
			:: else
			fi
#endif
		:: else ->
			load(THREAD, SEQ, ticket);
			declare(THREAD, MODE, FUTEX);
			load(THREAD, TAIL, tail);
			if
			:: tail == head ->
				atomic {
					fence(THREAD);
					if
					:: mem[SEQ] == ticket -> asleep = true
					:: else
					fi
				};
				!asleep
			:: else
			fi;
			store(THREAD, MODE, AWAKE);
			ticket = 0
		fi;
		x = 0;
		tail = 0
	od
}

inline wake_thread()
{
	if
	:: unwoken ->
		unwoken = false;
		look_for_sleeper(LOOP, MODE);
		if
		:: x == FUTEX ->
			add_one(LOOP, SEQ);
			atomic { fence(LOOP); asleep = false }
		:: else
		fi;
		x = 0
	:: else
	fi
}

proctype loop()
{
	byte raised, sent, x;
	bool unwoken, did;

turn:	did = false;
	/* A device raises one, or some at once. */
	do
	:: raised < IRQS -> raised++; did = true
	:: raised == IRQS || did -> break
	od;
	do
	:: sent < raised ->
		load(LOOP, HEAD, x);
		if
		:: sent - x < ROOM ->
			sent++;
			store_release(LOOP, TAIL, sent);
			unwoken = true;
			did = true
		:: else -> break
		fi
	:: else -> break
	od;
	x = 0;
	/* Once for a turn's; or not before it sleeps, for what calls sent. */
	if
	:: wake_thread()
	:: true
	fi;
	if
	:: did -> goto turn
	:: else
	fi;

#if WEAK != WEAK_UNWOKEN
	wake_thread();
#endif
	declare(LOOP, LOOP_MODE, EVENTFD);
#if WEAK != WEAK_ROOM
	load(LOOP, HEAD, x);
#endif
	if
#if WEAK != WEAK_ROOM
	:: sent < raised && sent - x < ROOM
#endif
	:: else ->
		x = 0;
end:		kick
	fi;
	x = 0;
	store(LOOP, LOOP_MODE, AWAKE);
	atomic { fence(LOOP); kick = false };
	goto turn
}

init {
	atomic {
		run stores(THREAD);
		run stores(LOOP);
		run thread();
		run loop()
	}
}
