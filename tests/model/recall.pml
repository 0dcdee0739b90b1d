/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recall.pml - jobs that one loop owns and another runs
 *
 * The code   job_post(), job_release(), job_recall(), job_await(), let_go(),
 *            take_inbox(), worker_turn() of transport/machine/worker.c
 * Who        two loops, each with a job of its own that the other one runs and
 *            that it wants back ROUNDS times; somebody who posts work to both.
 *            OWN 1: the second job is run by its owner's loop, too
 * Claim      a job is not run while it is held, is in an inbox once at most and
 *            in none while it is held; the two go on though each waits for the
 *            other; what was posted is run, however often the job was taken
 *            back meanwhile
 *
 * Words are changed by locked instructions alone, so the steps here are as they
 * are seen; that a loop is woken is loop.pml's.
 *
 * RUN -DROUNDS=2 -DPOSTS=2 -DOWN=1
 * RUN -DROUNDS=2 -DPOSTS=2 -DOWN=0
 */
#ifndef WEAK
#define WEAK 0
#endif

#define WEAK_ANSWER	1 /* who waits does not let go of others' jobs */
#define WEAK_LEFT	2 /* work that is left is dropped */
#define WEAK_CLEAR	3 /* POSTED is cleared after it was looked why */
#define WEAK_ACTIVE	4 /* HELD is said of a job that is to be run yet */
#define WEAK_TWICE	5 /* recall pushes what is posted already */
#define WEAK_RELEASE	6 /* release forgets work that came while it was held */
#define WEAK_RECALLED	7 /* who posts does not look for RECALL */

/* Bits of a job's word. */
bool posted[2], recall[2], held[2], work[2];
bool inbox[2];	/* of whoever runs it */
bool due[2];    /* he is going to run it */
bool running[2];
byte asked[2], served[2];
byte done; /* who has nothing more to ask for */

/* Who runs job j; its owner is loop j. */
#define AT(j) ((j) == 1 && OWN -> 1 : 1 - (j))

inline push(j)
{
	atomic {
		assert(!inbox[j]);
		inbox[j] = true
	}
}

inline post(j)
{
	atomic {
		again = !posted[j];
		work[j] = true;
		if
#if WEAK == WEAK_RECALLED
		:: true -> posted[j] = true
#else
		:: !recall[j] -> posted[j] = true
		:: else -> again = false
#endif
		fi
	}
	if
	:: again -> push(j)
	:: else
	fi;
	again = false
}

/* One job out of the inbox of loop me. */
inline take(j)
{
	if
	:: AT(j) == me && inbox[j] ->
		inbox[j] = false;
#if WEAK == WEAK_CLEAR
		atomic { why = work[j]; back = recall[j] };
		atomic { posted[j] = false; work[j] = false };
#else
		atomic {
			why = work[j];
			back = recall[j];
			posted[j] = false;
			work[j] = false
		}
#endif
		if
		:: back ->
			why = why || due[j];
#if WEAK != WEAK_ACTIVE
			due[j] = false;
#endif
			assert(!running[j]);
			atomic {
				held[j] = true;
#if WEAK != WEAK_LEFT
				work[j] = work[j] || why
#endif
			}
		:: else -> due[j] = true
		fi;
		why = false;
		back = false
	:: else
	fi
}

inline run_one(j)
{
	if
	:: AT(j) == me && due[j] ->
		due[j] = false;
		atomic {
			assert(!held[j]);
			running[j] = true;
			served[j] = asked[j]
		}
		running[j] = false
	:: else
	fi
}

inline turn()
{
	take(0);
	take(1);
	run_one(0);
	run_one(1)
}

inline take_back()
{
	atomic {
		again = !posted[me];
		recall[me] = true;
		posted[me] = true
	}
#if WEAK == WEAK_TWICE
	again = true;
#endif
	if
	:: again -> push(me)
	:: else
	fi;
	again = false;
	do
	:: held[me] -> break
#if WEAK != WEAK_ANSWER
	:: !held[me] && ((AT(0) == me && inbox[0]) ||
			 (AT(1) == me && inbox[1])) ->
		take(0);
		take(1)
#endif
	od;
	atomic { assert(!running[me] && !inbox[me] && !due[me]) }
}

inline give()
{
	atomic {
		again = work[me];
		recall[me] = false;
		held[me] = false
	}
#if WEAK == WEAK_RELEASE
	again = false;
#endif
	if
	:: again -> post(me)
	:: else
	fi
}

proctype loop(byte me)
{
	byte round;
	bool again, why, back;

	do
	:: round < ROUNDS ->
		turn();
		take_back();
		give();
		round++
	:: round < ROUNDS && ((AT(0) == me && inbox[0]) ||
			      (AT(1) == me && inbox[1])) ->
		turn()
	:: round == ROUNDS -> break
	od;
	done++;
end:	do
	:: (AT(0) == me && (inbox[0] || due[0])) ||
	   (AT(1) == me && (inbox[1] || due[1])) ->
		turn()
	od
}

proctype poster()
{
	byte n;
	bool again;

	do
	:: n == POSTS -> break
	:: else ->
		asked[0]++;
		post(0);
		asked[1]++;
		post(1);
		n++
	od;
	done++
}

/* When nobody can do anything any more. */
proctype judge()
{
end:	timeout;
	assert(done == 3);
	assert(served[0] == asked[0] && served[1] == asked[1])
}

init {
	atomic {
		run loop(0);
		run loop(1);
		run poster();
		run judge()
	}
}
