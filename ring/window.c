/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * window.c - a sequence lock without fences
 *
 * The table moves by 64-bit words, each store a release and each load an
 * acquire: on x86 that is what plain moves do anyway.  A reader that gets a
 * word of the next table has thereby seen window_seq go odd (R4 -> A4), and
 * its second look at window_seq tells.
 */
#include "ring/window.h"

#include <stdatomic.h>

#define WINDOW_TRIES 8
#define WINDOW_WORDS (sizeof(struct seg_window) / sizeof(uint64_t))

static_assert(sizeof(struct seg_window) % sizeof(uint64_t) == 0, "words");

/* The table is an array of structs to its users, of words to the lock. */
typedef uint64_t __attribute__((may_alias)) word_t;

static void window_store(struct seg_window *to, const struct seg_window *from)
{
	uint64_t words[WINDOW_WORDS];
	unsigned int i;

	memcpy(words, from, sizeof(words));
	for (i = 0; i < WINDOW_WORDS; i++)
		/* R4: pairs with A4, so who sees this sees an odd seq. */
		__atomic_store_n((word_t *)to + i, words[i], __ATOMIC_RELEASE);
}

static struct seg_window window_load(const struct seg_window *from)
{
	uint64_t words[WINDOW_WORDS];
	struct seg_window w;
	unsigned int i;

	for (i = 0; i < WINDOW_WORDS; i++)
		/* A4: pairs with R4. */
		words[i] = __atomic_load_n((const word_t *)from + i,
					   __ATOMIC_ACQUIRE);
	memcpy(&w, words, sizeof(w));
	return w;
}

void window_publish(struct seg_head *head, const struct seg_window *w,
		    unsigned int n)
{
	/* Relaxed: only we write it. */
	uint32_t seq =
		atomic_load_explicit(&head->window_seq, memory_order_relaxed);
	unsigned int i;

	/* A peer's scribble must not leave the table locked: odd, then even. */
	seq |= 1;
	/* Relaxed: R4 publishes it. */
	atomic_store_explicit(&head->window_seq, seq, memory_order_relaxed);
	__atomic_store_n(&head->nr_windows, n, __ATOMIC_RELEASE);
	for (i = 0; i < n; i++)
		window_store(&head->window[i], &w[i]);
	/* R3: pairs with A3, so an even seq means a whole table. */
	atomic_store_explicit(&head->window_seq, seq + 1, memory_order_release);
}

/* Is @at the place of one of the row, counted from the first? */
static bool row_has(const struct seg_window *w, uint64_t at)
{
	return !at || (w->more && w->step && at % w->step == 0 &&
		       at / w->step <= w->more);
}

/* How far @at is from the one of the row that is before it. */
static uint64_t row_offset(const struct seg_window *w, uint64_t at)
{
	const uint64_t step = (uint64_t)w->step * SEG_PAGE;
	uint64_t n;

	if (!w->more || !step)
		return at;
	n = at / step;
	return at - (n < w->more ? n : w->more) * step;
}

static bool window_holds(const struct seg_window *w, uint8_t space,
			 uint16_t function, uint64_t address, uint8_t size)
{
	uint64_t offset = address - w->start;

	/* sizes: bit n is 1 << n bytes, so the mask is the size itself. */
	if (w->space != space || !is_power_of_2(size) || !(w->sizes & size) ||
	    address < w->start)
		return false;
	if (space < PCIRING_SPACE_CONFIG)
		offset = row_offset(w, offset);
	else if (function < w->function ||
		 !row_has(w, (uint64_t)function - w->function))
		return false;
	return !(offset & (size - 1u)) && range_inside(offset, size, w->length);
}

bool window_find(const struct seg_head *head, uint8_t space, uint16_t function,
		 uint64_t address, uint8_t size)
{
	unsigned int try, i, n;
	uint32_t seq;
	bool found;

	for (try = 0; try < WINDOW_TRIES; try++) {
		/* A3: pairs with R3. */
		seq = atomic_load_explicit(&head->window_seq,
					   memory_order_acquire);
		if (seq & 1)
			continue;
		n = __atomic_load_n(&head->nr_windows, __ATOMIC_ACQUIRE);
		if (n > SEG_WINDOWS)
			return false;
		for (i = 0, found = false; i < n && !found; i++) {
			struct seg_window w = window_load(&head->window[i]);

			found = window_holds(&w, space, function, address,
					     size);
		}
		/* Relaxed: A4 keeps it behind the loads above. */
		if (atomic_load_explicit(&head->window_seq,
					 memory_order_relaxed) == seq)
			return found;
	}
	return false;
}
