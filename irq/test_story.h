/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_story.h - one device's story, to be played into any sink
 *
 * A device has a bank of three vectors and a line of two sources.  The story
 * is a table of what happens to them and of what a guest must see of each
 * step; it is the same table for every sink, so all of them tell the same.
 *
 * A sink under test is a struct story_sink: the two stages that the cascade
 * ends in (a sink that takes only messages is paired with another one for the
 * line), and what it takes to look at their far end.  The table counts
 * interrupts as a guest does: of a vector each message; of the line those that
 * a level-triggered pin of an interrupt controller gives it, which is one when
 * the line rises and one at each end of an interrupt that finds it high.
 * Where the far end is no real guest but hears levels, struct story_pin is its
 * controller.
 *
 * A real guest   one CPU, APIC id 0; fixed, edge-triggered vectors; the line's
 *                vector STORY_LINE_VECTOR has a lower priority than they, for
 *                they come while its interrupt is in service
 */
#ifndef IRQ_TEST_STORY_H
#define IRQ_TEST_STORY_H

#include "irq/line.h"
#include "irq/msi.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define STORY_VECTORS	  3
#define STORY_SOURCES	  2
#define STORY_REQUESTER	  0x0108
#define STORY_LINE_VECTOR 0x30

/* What a guest saw since it was last asked. */
struct story_seen {
	unsigned int nr[STORY_VECTORS];		/* by vector of the bank */
	struct msi_message last[STORY_VECTORS]; /* of each, if told */
	unsigned int line;			/* interrupts */
	unsigned int strange;			/* neither: there is none */
	bool level;				/* the latest one, if told */
};

/* What the far end of a sink hears beyond the counts. */
#define STORY_TELLS_DATA    1u /* seen.last[].data */
#define STORY_TELLS_MESSAGE 2u /* the other fields of it too */
#define STORY_TELLS_LEVEL   4u /* seen.level */

struct story_sink {
	const char *name;
	struct irq_stage *msi;	/* borrowed: what the bank leads to */
	struct irq_stage *line; /* borrowed: what the line leads to */
	uint32_t pin;		/* of that */
	unsigned int tells;	/* STORY_TELLS_* */
	/* Add all that arrived to the counts in @seen, and fill what else is
	 * told.  Waits for what the far end has not yet done. */
	void (*observe)(struct story_sink *s, struct story_seen *seen);
	/* The guest ends the line's interrupt. */
	void (*end)(struct story_sink *s);
	/* Vector @v has this message from now on, masked or not.  NULL: the
	 * sink does not need to know before it is sent. */
	void (*route)(struct story_sink *s, unsigned int v,
		      const struct msi_message *m);
};

/* ---- A level-triggered pin of an interrupt controller ------------------- */

struct story_pin {
	bool level;
	bool in_service;
	unsigned int taken;
};

static inline void story_pin_look(struct story_pin *p)
{
	if (!p->level || p->in_service)
		return;
	p->in_service = true;
	p->taken++;
}

static inline void story_pin_set(struct story_pin *p, bool level)
{
	p->level = level;
	story_pin_look(p);
}

static inline void story_pin_end(struct story_pin *p)
{
	p->in_service = false;
	story_pin_look(p);
}

/* ---- The messages ------------------------------------------------------- */

/* The second one has a redirection hint, which one CPU follows as well. */
static inline struct msi_message story_message(unsigned int v, bool moved)
{
	return (struct msi_message){
		.address = moved ? 0xfee00008 : 0xfee00000,
		.data = (moved ? 0x50 : 0x40) + v,
		.requester_id = STORY_REQUESTER,
		.vector = (uint16_t)v,
	};
}

/* Which vector sends @data; STORY_VECTORS: none. */
static inline unsigned int story_vector_of(uint32_t data)
{
	unsigned int v = data & 0xf;

	return v < STORY_VECTORS && (data == 0x40 + v || data == 0x50 + v)
		       ? v
		       : STORY_VECTORS;
}

/* ---- The story ---------------------------------------------------------- */

enum story_verb {
	STORY_RAISE,
	STORY_MASK,
	STORY_UNMASK,
	STORY_MOVE, /* to its second message, or back */
	STORY_CLOSE,
	STORY_OPEN,
	STORY_UP,
	STORY_DOWN,
	STORY_END
};

/* What msi_send() and irq_source_set() must say. */
enum story_answer {
	STORY_ANY, /* the sink's own business */
	STORY_LEFT,
	STORY_LATCHED,
	STORY_MERGED,
	STORY_SILENT
};

struct story_step {
	const char *what;
	enum story_verb verb;
	unsigned int who; /* vector or source */
	enum story_answer answer;
	uint8_t nr[STORY_VECTORS];
	bool moved;   /* by the second message */
	uint8_t line; /* interrupts */
	bool level;
};

/* clang-format off */
static const struct story_step story[] = {
#define V0 { 1, 0, 0 }
#define V1 { 0, 1, 0 }
#define V2 { 0, 0, 1 }
#define NO { 0, 0, 0 }
/* what				 verb	     who answer    seen moved line level */
{ "vector 0 fires",		 STORY_RAISE,  0, STORY_LEFT,	 V0, 0, 0, 0 },
{ "vector 2 fires",		 STORY_RAISE,  2, STORY_LEFT,	 V2, 0, 0, 0 },
{ "vector 0 fires again",	 STORY_RAISE,  0, STORY_LEFT,	 V0, 0, 0, 0 },
/* a mask keeps, and keeps one; the message is that of the unmasking */
{ "vector 1 is masked",		 STORY_MASK,   1, STORY_ANY,	 NO, 0, 0, 0 },
{ "raised while masked",	 STORY_RAISE,  1, STORY_LATCHED, NO, 0, 0, 0 },
{ "and once more",		 STORY_RAISE,  1, STORY_MERGED,	 NO, 0, 0, 0 },
{ "others are not masked",	 STORY_RAISE,  0, STORY_LEFT,	 V0, 0, 0, 0 },
{ "it moves while masked",	 STORY_MOVE,   1, STORY_ANY,	 NO, 1, 0, 0 },
{ "unmasked, it fires once",	 STORY_UNMASK, 1, STORY_ANY,	 V1, 1, 0, 0 },
{ "masked without cause",	 STORY_MASK,   1, STORY_ANY,	 NO, 1, 0, 0 },
{ "unmasked, nothing is left",	 STORY_UNMASK, 1, STORY_ANY,	 NO, 1, 0, 0 },
{ "it fires where it moved",	 STORY_RAISE,  1, STORY_LEFT,	 V1, 1, 0, 0 },
{ "it moves back, unmasked",	 STORY_MOVE,   1, STORY_ANY,	 NO, 0, 0, 0 },
{ "it fires where it was",	 STORY_RAISE,  1, STORY_LEFT,	 V1, 0, 0, 0 },
/* a closed function keeps; each vector has its own mask besides */
{ "the function is closed",	 STORY_CLOSE,  0, STORY_ANY,	 NO, 0, 0, 0 },
{ "vector 0 raised",		 STORY_RAISE,  0, STORY_LATCHED, NO, 0, 0, 0 },
{ "vector 2 raised",		 STORY_RAISE,  2, STORY_LATCHED, NO, 0, 0, 0 },
{ "vector 2 masked too",	 STORY_MASK,   2, STORY_ANY,	 NO, 0, 0, 0 },
{ "opened: the unmasked one",	 STORY_OPEN,   0, STORY_ANY,	 V0, 0, 0, 0 },
{ "unmasked: the other one",	 STORY_UNMASK, 2, STORY_ANY,	 V2, 0, 0, 0 },
{ "closed without cause",	 STORY_CLOSE,  0, STORY_ANY,	 NO, 0, 0, 0 },
{ "opened, nothing is left",	 STORY_OPEN,   0, STORY_ANY,	 NO, 0, 0, 0 },
/* the line is high while one source is */
{ "source 0 rises",		 STORY_UP,     0, STORY_LEFT,	 NO, 0, 1, 1 },
{ "and says so again",		 STORY_UP,     0, STORY_SILENT,	 NO, 0, 0, 1 },
{ "source 1 rises",		 STORY_UP,     1, STORY_MERGED,	 NO, 0, 0, 1 },
{ "end, both are high",		 STORY_END,    0, STORY_ANY,	 NO, 0, 1, 1 },
{ "a vector fires meanwhile",	 STORY_RAISE,  2, STORY_LEFT,	 V2, 0, 0, 1 },
{ "source 0 falls",		 STORY_DOWN,   0, STORY_MERGED,	 NO, 0, 0, 1 },
{ "end, one is high",		 STORY_END,    0, STORY_ANY,	 NO, 0, 1, 1 },
{ "source 1 falls",		 STORY_DOWN,   1, STORY_ANY,	 NO, 0, 0, 0 },
{ "end, none is high",		 STORY_END,    0, STORY_ANY,	 NO, 0, 0, 0 },
/* between reading ISR and the end of the interrupt */
{ "source 1 rises",		 STORY_UP,     1, STORY_LEFT,	 NO, 0, 1, 1 },
{ "its ISR is read",		 STORY_DOWN,   1, STORY_ANY,	 NO, 0, 0, 0 },
{ "it rises before the end",	 STORY_UP,     1, STORY_ANY,	 NO, 0, 0, 1 },
{ "end: it is not lost",	 STORY_END,    0, STORY_ANY,	 NO, 0, 1, 1 },
{ "the other one joins",	 STORY_UP,     0, STORY_MERGED,	 NO, 0, 0, 1 },
{ "the first one is read",	 STORY_DOWN,   1, STORY_MERGED,	 NO, 0, 0, 1 },
{ "the other one is read",	 STORY_DOWN,   0, STORY_ANY,	 NO, 0, 0, 0 },
{ "end: nobody is high",	 STORY_END,    0, STORY_ANY,	 NO, 0, 0, 0 },
/* both at once, in the end */
{ "the line rises once more",	 STORY_UP,     0, STORY_LEFT,	 NO, 0, 1, 1 },
{ "vector 1 masked",		 STORY_MASK,   1, STORY_ANY,	 NO, 0, 0, 1 },
{ "vector 1 raised",		 STORY_RAISE,  1, STORY_LATCHED, NO, 0, 0, 1 },
{ "the line falls",		 STORY_DOWN,   0, STORY_ANY,	 NO, 0, 0, 0 },
{ "vector 1 unmasked",		 STORY_UNMASK, 1, STORY_ANY,	 V1, 0, 0, 0 },
{ "the last end",		 STORY_END,    0, STORY_ANY,	 NO, 0, 0, 0 },
#undef V0
#undef V1
#undef V2
#undef NO
};
/* clang-format on */

/* ---- The player --------------------------------------------------------- */

struct story_device {
	struct msi_bank bank;
	struct msi_vector vector[STORY_VECTORS];
	uint64_t pending[MSI_PENDING_WORDS(STORY_VECTORS)];
	bool masked[STORY_VECTORS], moved[STORY_VECTORS];
	struct irq_line line;
	struct irq_source source[STORY_SOURCES];
};

static inline void story_set_vector(struct story_device *d,
				    struct story_sink *s, unsigned int v)
{
	const struct msi_message m = story_message(v, d->moved[v]);

	if (s->route)
		s->route(s, v, &m);
	msi_set_vector(&d->bank, v, m.address, m.data, d->masked[v]);
}

static inline void story_begin(struct story_device *d, struct story_sink *s)
{
	memset(d, 0, sizeof(*d));
	msi_bank_init(&d->bank, d->vector, d->pending, STORY_VECTORS,
		      STORY_REQUESTER);
	for (unsigned int v = 0; v < STORY_VECTORS; v++)
		story_set_vector(d, s, v);
	msi_bank_set_next(&d->bank, s->msi, false);
	msi_bank_set_open(&d->bank, true);
	irq_line_init(&d->line, "story", s->line, s->pin);
	for (unsigned int i = 0; i < STORY_SOURCES; i++)
		irq_source_connect(&d->source[i], &d->line);
}

static inline void story_leave(struct story_device *d)
{
	for (unsigned int i = 0; i < STORY_SOURCES; i++)
		irq_source_connect(&d->source[i], NULL);
	irq_line_set_next(&d->line, NULL, IRQ_NO_PIN);
	msi_bank_set_next(&d->bank, NULL, false);
}

static inline enum irq_result story_do(struct story_device *d,
				       struct story_sink *s,
				       const struct story_step *step)
{
	switch (step->verb) {
	case STORY_RAISE:
		return msi_send(&d->bank, step->who);
	case STORY_UP:
	case STORY_DOWN:
		return irq_source_set(&d->source[step->who],
				      step->verb == STORY_UP);
	case STORY_MASK:
	case STORY_UNMASK:
		d->masked[step->who] = step->verb == STORY_MASK;
		story_set_vector(d, s, step->who);
		break;
	case STORY_MOVE:
		d->moved[step->who] = !d->moved[step->who];
		story_set_vector(d, s, step->who);
		break;
	case STORY_OPEN:
	case STORY_CLOSE:
		msi_bank_set_open(&d->bank, step->verb == STORY_OPEN);
		break;
	case STORY_END:
		s->end(s);
		break;
	}
	return IRQ_SILENT;
}

static inline bool story_answered(enum story_answer answer, enum irq_result r)
{
	switch (answer) {
	case STORY_ANY:
		return true;
	case STORY_LEFT:
		return r == IRQ_QUEUED || r == IRQ_DELIVERED ||
		       r == IRQ_COALESCED;
	case STORY_LATCHED:
		return r == IRQ_LATCHED;
	case STORY_MERGED:
		return r == IRQ_MERGED;
	case STORY_SILENT:
		return r == IRQ_SILENT;
	}
	return false;
}

/* What the sink tells of @v's message is what was sent. */
static inline bool story_told(const struct story_sink *s,
			      const struct msi_message *told, unsigned int v,
			      bool moved)
{
	const struct msi_message m = story_message(v, moved);

	if ((s->tells & (STORY_TELLS_DATA | STORY_TELLS_MESSAGE)) &&
	    told->data != m.data)
		return false;
	return !(s->tells & STORY_TELLS_MESSAGE) ||
	       (told->address == m.address &&
		told->requester_id == m.requester_id &&
		told->vector == m.vector);
}

static inline void story_compare(const struct story_sink *s,
				 const struct story_step *step,
				 const struct story_seen *seen)
{
	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		if (seen->nr[v] != step->nr[v])
			fail_msg("%s: \"%s\": vector %u seen %u times, not %u",
				 s->name, step->what, v, seen->nr[v],
				 step->nr[v]);
		if (seen->nr[v] &&
		    !story_told(s, &seen->last[v], v, step->moved))
			fail_msg("%s: \"%s\": vector %u by another message",
				 s->name, step->what, v);
	}
	if (seen->strange)
		fail_msg("%s: \"%s\": %u that nobody sent", s->name, step->what,
			 seen->strange);
	if (seen->line != step->line)
		fail_msg("%s: \"%s\": the line seen %u times, not %u", s->name,
			 step->what, seen->line, step->line);
	if ((s->tells & STORY_TELLS_LEVEL) && seen->level != step->level)
		fail_msg("%s: \"%s\": the line is told %d", s->name, step->what,
			 seen->level);
}

/* Play the whole story into @s; a difference fails the test. */
static inline void story_play(struct story_sink *s)
{
	struct story_device d;
	enum irq_result result;

	story_begin(&d, s);
	for (unsigned int i = 0; i < ARRAY_SIZE(story); i++) {
		struct story_seen seen = { 0 };

		result = story_do(&d, s, &story[i]);
		if (!story_answered(story[i].answer, result))
			fail_msg("%s: \"%s\": answered %d", s->name,
				 story[i].what, result);
		s->observe(s, &seen);
		story_compare(s, &story[i], &seen);
	}
	story_leave(&d);
}

#endif
