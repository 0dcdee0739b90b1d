/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory.pml - shared words behind store buffers
 *
 * Promela alone would make each store visible at once.  Here a CPU's stores
 * wait in its buffer, seen by itself only, and a process of their own carries
 * them to memory at any later time.  They keep their order per word; words of
 * different addresses may overtake each other (more than x86 does, less than
 * Arm), but for a release, which waits for all before it.  So any store may be
 * later than any load behind it, unless there is a fence or a locked
 * instruction, which drains the buffer.
 *
 * Loads take place in the order of the program: an acquire is free, and what
 * breaks without it is not found here (the thread sanitizer looks for that).
 *
 * Who includes it defines WORDS, CPUS and BUFFER (stores that may wait).
 */
typedef entry {
	byte word;
	byte value;
	bool release;
};

typedef store_buffer {
	entry e[BUFFER];
	byte n;
};

byte mem[WORDS];
store_buffer cpu[CPUS];
hidden byte k;

/* Entry nr of CPU who goes to memory. */
inline to_memory(who, nr)
{
	mem[cpu[who].e[nr].word] = cpu[who].e[nr].value;
	k = nr;
	do
	:: k + 1 < BUFFER ->
		cpu[who].e[k].word = cpu[who].e[k + 1].word;
		cpu[who].e[k].value = cpu[who].e[k + 1].value;
		cpu[who].e[k].release = cpu[who].e[k + 1].release;
		k++
	:: else -> break
	od;
	cpu[who].e[BUFFER - 1].word = 0;
	cpu[who].e[BUFFER - 1].value = 0;
	cpu[who].e[BUFFER - 1].release = false;
	cpu[who].n--
}

inline put(who, at, what, last)
{
	d_step {
		cpu[who].n < BUFFER;
		cpu[who].e[cpu[who].n].word = at;
		cpu[who].e[cpu[who].n].value = what;
		cpu[who].e[cpu[who].n].release = last;
		cpu[who].n++
	}
}

#define store(who, at, what)	     put(who, at, what, false)
#define store_release(who, at, what) put(who, at, what, true)

/* Part of a d_step or an atomic. */
inline drain_now(who)
{
	do
	:: cpu[who].n > 0 -> to_memory(who, 0)
	:: else -> break
	od
}

inline fence(who)
{
	d_step { drain_now(who); k = 0 }
}

/* What CPU who reads: the youngest of its own stores, or memory. */
inline load(who, at, dst)
{
	d_step {
		dst = mem[at];
		k = 0;
		do
		:: k < cpu[who].n ->
			if
			:: cpu[who].e[k].word == at -> dst = cpu[who].e[k].value
			:: else
			fi;
			k++
		:: else -> break
		od;
		k = 0
	}
}

/* A locked instruction. */
inline exchange(who, at, what, dst)
{
	d_step { drain_now(who); dst = mem[at]; mem[at] = what; k = 0 }
}

inline add_one(who, at)
{
	d_step { drain_now(who); mem[at] = mem[at] + 1; k = 0 }
}

/* A sequentially consistent store is one on x86 too. */
inline store_now(who, at, what)
{
	d_step { drain_now(who); mem[at] = what; k = 0 }
}

/* Only what CPU who does not write itself may be waited for so. */
#define wait_until(at, what) (mem[at] == (what))

#define own(p, i)	 cpu[p].e[i].word
#define may_overtake(p, i) (cpu[p].n > (i) && !cpu[p].e[i].release)

/* One per CPU: the way of its stores to memory.  Entry 0 always may go, a
 * later one if it is no release and none before it is of its word. */
proctype stores(byte p)
{
end:	do
	:: d_step { cpu[p].n > 0 -> to_memory(p, 0); k = 0 }
#if BUFFER > 1
	:: d_step { may_overtake(p, 1) && own(p, 1) != own(p, 0) ->
		to_memory(p, 1); k = 0 }
#endif
#if BUFFER > 2
	:: d_step { may_overtake(p, 2) && own(p, 2) != own(p, 0) &&
		    own(p, 2) != own(p, 1) -> to_memory(p, 2); k = 0 }
#endif
#if BUFFER > 3
#error one more way out has to be written here
#endif
	od
}
