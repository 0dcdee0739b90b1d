/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line.h - one level-triggered interrupt line, shared by many sources
 *
 * irq_source_set() is a level that its source holds.  The line is high while
 * at least one source is (wired-OR); that is looked up in the sources, never
 * counted, so it cannot drift.  What follows hears the edges of the line only:
 * one rise, one fall.  A level that the next stage refused is kept: irq_line_
 * flush() tells the latest one, and a pulse in between is not told, because a
 * source that fell has no cause any more.
 *
 * Counters  a change of a source, or of what the line leads to.  Where nobody
 *           listens the line stays untold: whoever comes next is told.  A
 *           change that takes a refused one back counts as coalesced
 * Within    the next stage may change sources of the line before its set()
 *           returns, unless it refuses then
 * Threads   one poll thread owns a line and every source on it
 * Memory    the caller provides both structs; nothing is allocated here.  A
 *           source leaves its line before either of them goes
 * Cost      a change is O(1) but for a fall, which looks for a high source
 */
#ifndef IRQ_LINE_H
#define IRQ_LINE_H

#include "irq/stage.h"

struct irq_source {
	struct irq_line *line; /* borrowed; NULL: not connected */
	struct irq_source *sibling;
	struct irq_source **link; /* what points to this one */
	bool high;
};

struct irq_line {
	struct irq_stage stage;	    /* entered by irq_source_set() only */
	const char *name;	    /* borrowed; for people */
	struct irq_source *sources; /* borrowed */
	bool high;		    /* the OR of the sources */
	bool told;		    /* the level that the next stage has */
	struct irq_stage *next;	    /* borrowed; NULL: nobody listens */
	uint32_t pin;		    /* of the next stage */
};

/* A low line without sources. */
void irq_line_init(struct irq_line *line, const char *name,
		   struct irq_stage *next, uint32_t pin);

/*
 * Exchange what follows: the new one is told the level, then the old one low.
 * False: the old one refused that, and still believes what it had; who needs
 * it to know has to tell it.
 */
bool irq_line_set_next(struct irq_line *line, struct irq_stage *next,
		       uint32_t pin);

/* Tell the next stage the present level; IRQ_SILENT: it has it already. */
enum irq_result irq_line_flush(struct irq_line *line);

/*
 * Connect @src (not connected, or to another line, which it leaves after) with
 * @line; NULL disconnects.  It brings its level along, so a line that is high
 * on both sides never falls in between.
 */
void irq_source_connect(struct irq_source *src, struct irq_line *line);

/*
 * For who moves many sources at once, so that no line falls between two of
 * them: @src is at level @high on @line (or none), and nobody hears of it yet.
 * Each line that it left or joined has to be settled.
 */
void irq_source_place(struct irq_source *src, struct irq_line *line, bool high);
enum irq_result irq_line_settle(struct irq_line *line);

/*
 * Set @src high or low.  IRQ_SILENT it was so already; IRQ_MERGED the line
 * stays as it is for other sources' sake, or is back at what was told last;
 * IRQ_DROPPED nobody listens (or the source is not connected); IRQ_LATCHED
 * kept; else what followed made of it.
 */
enum irq_result irq_source_set(struct irq_source *src, bool high);

#endif
