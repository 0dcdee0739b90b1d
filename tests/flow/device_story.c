/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the driver of tests/guest plays, one verb a step.  After each of them
 * the machine runs until it is idle, and the driver takes what was used, so
 * that every request is one that may interrupt.
 */
#include "tests/flow/device_story.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define BAR_BASE   0xc0000000ull
#define QUEUE_SIZE 8
#define BUFFER_LEN 16
#define CONFIG	   0
#define QUEUE	   1

enum verb {
	ASK,	/* for one buffer of entropy */
	READ,	/* ISR */
	END,	/* of the line's interrupt */
	PIN,	/* INTX_DISABLE: 0 sets it, 1 clears it */
	MSIX,	/* 0 off, 1 on */
	OPEN,	/* Function Mask: 0 sets it, 1 clears it */
	MASK,	/* vector */
	UNMASK, /* vector */
	MOVE,	/* vector: to its second message, or back */
	MASTER, /* 0 off, 1 on */
	VECTOR, /* of the queue */
	WANT,	/* interrupts: 0 no, 1 yes */
	BREAK,	/* the ring, as no driver should */
	RESET,	/* of virtio */
	START,	/* as after any reset */
	FLR	/* then BARs and COMMAND are set again */
};

struct step {
	const char *what;
	enum verb verb;
	unsigned int arg;
	uint8_t done;	/* buffers that were used */
	uint8_t config; /* messages of vector 0 */
	uint8_t queue;	/* messages of vector 1 */
	bool moved;	/* by the second message */
	uint8_t kept;	/* pending bits */
	uint8_t line;	/* interrupts */
	bool level;	/* of the line */
	bool cause;	/* STATUS.3 */
	uint8_t isr;	/* what READ returned */
};

/* clang-format off */
static const struct step story[] = {
#define OFF 0, 0, 0, 0, 0 /* nothing of MSI-X */
#define LOW 0, 0, 0, 0	  /* nothing of the pin */
/* what				      verb  arg done  c  q  mv kept line level cause isr */
/* by the pin */
{ "asked: the line interrupts",	      ASK,    0, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "ISR says queue and lowers",	      READ,   0, OFF,		0, 0, 0, 1 },
{ "ISR says nothing more",	      READ,   0, OFF,		LOW },
{ "the end finds it low",	      END,    0, OFF,		LOW },
{ "asked",			      ASK,    0, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "asked again: still one level",     ASK,    0, 1, 0, 0, 0, 0, 0, 1, 1, 0 },
{ "ISR is read once for both",	      READ,   0, OFF,		0, 0, 0, 1 },
{ "and that was all",		      END,    0, OFF,		LOW },
{ "asked",			      ASK,    0, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "ended with ISR unread: again",     END,    0, OFF,		1, 1, 1, 0 },
{ "ISR is read",		      READ,   0, OFF,		0, 0, 0, 1 },
{ "asked between ISR and the end",    ASK,    0, 1, 0, 0, 0, 0, 0, 1, 1, 0 },
{ "the end: it is not lost",	      END,    0, OFF,		1, 1, 1, 0 },
{ "ISR is read",		      READ,   0, OFF,		0, 0, 0, 1 },
{ "the end finds it low",	      END,    0, OFF,		LOW },
/* INTX_DISABLE */
{ "the pin is disabled",	      PIN,    0, OFF,		LOW },
{ "asked: cause, but no level",	      ASK,    0, 1, 0, 0, 0, 0, 0, 0, 1, 0 },
{ "enabled: the line interrupts",     PIN,    1, OFF,		1, 1, 1, 0 },
{ "disabled while it is high",	      PIN,    0, OFF,		0, 0, 1, 0 },
{ "the end finds it low",	      END,    0, OFF,		0, 0, 1, 0 },
{ "enabled: it has its cause",	      PIN,    1, OFF,		1, 1, 1, 0 },
{ "disabled",			      PIN,    0, OFF,		0, 0, 1, 0 },
{ "ISR is read meanwhile",	      READ,   0, OFF,		0, 0, 0, 1 },
{ "enabled: nothing is left",	      PIN,    1, OFF,		LOW },
{ "the end finds it low",	      END,    0, OFF,		LOW },
/* the driver's wish; bus mastering is not for the pin */
{ "no interrupts wanted",	      WANT,   0, OFF,		LOW },
{ "asked: silence",		      ASK,    0, 1, 0, 0, 0, 0, LOW },
{ "wanted: what was is past",	      WANT,   1, OFF,		LOW },
{ "asked",			      ASK,    0, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "no bus master: the line stays",    MASTER, 0, OFF,		0, 1, 1, 0 },
{ "ISR is read",		      READ,   0, OFF,		0, 0, 0, 1 },
{ "the end finds it low",	      END,    0, OFF,		LOW },
{ "asked: it cannot be served",	      ASK,    0, OFF,		LOW },
{ "bus master: served",		      MASTER, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
/* MSI-X goes on and off and on while the line is high */
{ "MSI-X on: the line falls",	      MSIX,   1, OFF,		LOW },
{ "the end finds it low",	      END,    0, OFF,		LOW },
{ "MSI-X off: it has its cause",      MSIX,   0, OFF,		1, 1, 1, 0 },
{ "MSI-X on: the line falls",	      MSIX,   1, OFF,		LOW },
{ "the end finds it low",	      END,    0, OFF,		LOW },
{ "ISR is read with MSI-X on",	      READ,   0, OFF,		0, 0, 0, 1 },
/* by messages */
{ "asked before there is a vector",   ASK,    0, 1, 0, 0, 0, 0, LOW },
{ "the queue's vector: too late",     VECTOR, QUEUE, OFF,	LOW },
{ "asked: its message",		      ASK,    0, 1, 0, 1, 0, 0, LOW },
{ "ISR has no part in it",	      READ,   0, OFF,		LOW },
{ "asked: its message",		      ASK,    0, 1, 0, 1, 0, 0, LOW },
/* a mask keeps, and keeps one; the message is that of the unmasking */
{ "the vector is masked",	      MASK,   QUEUE, OFF,	LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "asked again: kept as one",	      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "unmasked: exactly one",	      UNMASK, QUEUE, 0, 0, 1, 0, 0, LOW },
{ "masked without cause",	      MASK,   QUEUE, OFF,	LOW },
{ "unmasked: nothing is left",	      UNMASK, QUEUE, OFF,	LOW },
{ "masked",			      MASK,   QUEUE, OFF,	LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "re-addressed while masked",	      MOVE,   QUEUE, 0, 0, 0, 1, 2, LOW },
{ "unmasked: where it is now",	      UNMASK, QUEUE, 0, 0, 1, 1, 0, LOW },
{ "asked: where it is now",	      ASK,    0, 1, 0, 1, 1, 0, LOW },
{ "re-addressed, unmasked",	      MOVE,   QUEUE, OFF,	LOW },
{ "asked: where it was",	      ASK,    0, 1, 0, 1, 0, 0, LOW },
/* Function Mask, besides the vector's own */
{ "the function is masked",	      OPEN,   0, OFF,		LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "asked again: kept as one",	      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "unmasked: exactly one",	      OPEN,   1, 0, 0, 1, 0, 0, LOW },
{ "the function is masked",	      OPEN,   0, OFF,		LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "the vector is masked too",	      MASK,   QUEUE, 0, 0, 0, 0, 2, LOW },
{ "one mask less: kept",	      OPEN,   1, 0, 0, 0, 0, 2, LOW },
{ "both are gone: exactly one",	      UNMASK, QUEUE, 0, 0, 1, 0, 0, LOW },
/* a message is a write to memory */
{ "no bus master",		      MASTER, 0, OFF,		LOW },
{ "asked: it cannot be served",	      ASK,    0, OFF,		LOW },
{ "bus master: served",		      MASTER, 1, 1, 0, 1, 0, 0, LOW },
{ "the vector is masked",	      MASK,   QUEUE, OFF,	LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "no bus master: kept",	      MASTER, 0, 0, 0, 0, 0, 2, LOW },
{ "unmasked: kept",		      UNMASK, QUEUE, 0, 0, 0, 0, 2, LOW },
{ "bus master: exactly one",	      MASTER, 1, 0, 0, 1, 0, 0, LOW },
/* which vector, and whether any */
{ "the queue has no vector",	      VECTOR, GUEST_NO_VECTOR, OFF, LOW },
{ "asked: silence",		      ASK,    0, 1, 0, 0, 0, 0, LOW },
{ "it shares the other vector",	      VECTOR, CONFIG, OFF,	LOW },
{ "asked: that one's message",	      ASK,    0, 1, 1, 0, 0, 0, LOW },
{ "it has its own vector",	      VECTOR, QUEUE, OFF,	LOW },
{ "asked: its message",		      ASK,    0, 1, 0, 1, 0, 0, LOW },
{ "no interrupts wanted",	      WANT,   0, OFF,		LOW },
{ "asked: silence",		      ASK,    0, 1, 0, 0, 0, 0, LOW },
{ "wanted: what was is past",	      WANT,   1, OFF,		LOW },
{ "asked: its message",		      ASK,    0, 1, 0, 1, 0, 0, LOW },
/* by the pin again; what a mask keeps waits for MSI-X */
{ "the vector is masked",	      MASK,   QUEUE, OFF,	LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "MSI-X off",			      MSIX,   0, 0, 0, 0, 0, 2, LOW },
{ "asked: the line interrupts",	      ASK,    0, 1, 0, 0, 0, 2, 1, 1, 1, 0 },
{ "ISR is read",		      READ,   0, 0, 0, 0, 0, 2, 0, 0, 0, 1 },
{ "unmasked: MSI-X is off",	      UNMASK, QUEUE, 0, 0, 0, 0, 2, LOW },
{ "the end finds it low",	      END,    0, 0, 0, 0, 0, 2, LOW },
{ "MSI-X on: exactly one",	      MSIX,   1, 0, 0, 1, 0, 0, LOW },
{ "asked: its message",		      ASK,    0, 1, 0, 1, 0, 0, LOW },
/* the device's own vector, and the reset of virtio */
{ "broken: the other vector",	      BREAK,  0, 0, 1, 0, 0, 0, LOW },
{ "ISR says configuration",	      READ,   0, OFF,		0, 0, 0, 2 },
{ "broken: asked in vain",	      ASK,    0, OFF,		LOW },
{ "reset: quiet",		      RESET,  0, OFF,		LOW },
{ "started",			      START,  0, OFF,		LOW },
{ "asked: the table is as it was",    ASK,    0, 1, 0, 1, 0, 0, LOW },
{ "the vector is masked",	      MASK,   QUEUE, OFF,	LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "reset: forgotten",		      RESET,  0, OFF,		LOW },
{ "unmasked: nothing is left",	      UNMASK, QUEUE, OFF,	LOW },
{ "started",			      START,  0, OFF,		LOW },
{ "asked: its message",		      ASK,    0, 1, 0, 1, 0, 0, LOW },
{ "MSI-X off",			      MSIX,   0, OFF,		LOW },
{ "broken: the line interrupts",      BREAK,  0, 0, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "ISR says configuration",	      READ,   0, OFF,		0, 0, 0, 2 },
{ "the end finds it low",	      END,    0, OFF,		LOW },
{ "reset",			      RESET,  0, OFF,		LOW },
{ "started",			      START,  0, OFF,		LOW },
{ "asked",			      ASK,    0, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "reset: the line falls",	      RESET,  0, OFF,		LOW },
{ "ISR is reset",		      READ,   0, OFF,		LOW },
{ "the end finds it low",	      END,    0, OFF,		LOW },
{ "started",			      START,  0, OFF,		LOW },
/* the reset of the function */
{ "asked",			      ASK,    0, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "function reset: the line falls",   FLR,    0, OFF,		LOW },
{ "the end finds it low",	      END,    0, OFF,		LOW },
{ "started",			      START,  0, OFF,		LOW },
{ "MSI-X on, all is masked",	      MSIX,   1, OFF,		LOW },
{ "the queue's vector",		      VECTOR, QUEUE, OFF,	LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "broken: kept as well",	      BREAK,  0, 0, 0, 0, 0, 3, LOW },
{ "function reset: forgotten",	      FLR,    0, OFF,		LOW },
{ "MSI-X on, all is masked",	      MSIX,   1, OFF,		LOW },
{ "started",			      START,  0, OFF,		LOW },
{ "asked: kept",		      ASK,    0, 1, 0, 0, 0, 2, LOW },
{ "unmasked: exactly one",	      UNMASK, QUEUE, 0, 0, 1, 0, 0, LOW },
{ "asked: its message",		      ASK,    0, 1, 0, 1, 0, 0, LOW },
{ "function reset: quiet",	      FLR,    0, OFF,		LOW },
{ "the pin is disabled",	      PIN,    0, OFF,		LOW },
{ "started",			      START,  0, OFF,		LOW },
{ "asked: cause, but no level",	      ASK,    0, 1, 0, 0, 0, 0, 0, 0, 1, 0 },
{ "function reset: never a level",    FLR,    0, OFF,		LOW },
{ "started: by the pin",	      START,  0, OFF,		LOW },
{ "asked: the line interrupts",	      ASK,    0, 1, 0, 0, 0, 0, 1, 1, 1, 0 },
{ "ISR is read",		      READ,   0, OFF,		0, 0, 0, 1 },
{ "the end finds it low",	      END,    0, OFF,		LOW },
#undef OFF
#undef LOW
};
/* clang-format on */

unsigned int device_story_steps(void)
{
	return ARRAY_SIZE(story);
}

/* ---- The messages ------------------------------------------------------- */

/* The second one has a redirection hint, which one CPU follows as well. */
struct msi_message device_story_message(unsigned int v, bool moved)
{
	return (struct msi_message){
		.address = moved ? 0xfee00008 : 0xfee00000,
		.data = (moved ? 0x50 : 0x40) + v,
		.requester_id = RIG_BDF,
		.vector = (uint16_t)v,
	};
}

unsigned int device_story_vector_of(uint32_t data)
{
	for (unsigned int v = 0; v < STORY_VECTORS; v++)
		if (data == 0x40 + v || data == 0x50 + v)
			return v;
	return STORY_VECTORS;
}

void device_story_hear(struct story_heard *heard, const struct msi_message *m)
{
	unsigned int v = device_story_vector_of(m->data);

	if (v == STORY_VECTORS) {
		heard->strange++;
		return;
	}
	heard->nr[v]++;
	heard->last[v] = *m;
}

/* ---- The driver --------------------------------------------------------- */

struct player {
	struct rig *rig;
	struct story_ear *ear;
	struct guest guest;
	uint64_t features;
	uint64_t buffer;
	bool masked[STORY_VECTORS], moved[STORY_VECTORS];
	bool msix;
	bool running; /* has rings */
	uint8_t isr;
};

static void write_entry(struct player *p, unsigned int v)
{
	const struct msi_message m = device_story_message(v, p->moved[v]);

	if (p->ear->entry)
		p->ear->entry(p->ear, v, &m);
	guest_msix_entry(&p->guest, v, m.address, m.data, p->masked[v]);
	if (p->ear->masked)
		p->ear->masked(p->ear, v, p->masked[v]);
}

static void place(struct player *p)
{
	assert_int_equal(guest_place_bars(&p->guest, BAR_BASE), 0);
	guest_command(&p->guest, true, true);
}

static void start(struct player *p)
{
	/* Nothing has the old rings any more. */
	p->guest.mem.used = 0;
	assert_int_equal(guest_start(&p->guest, p->features, QUEUE_SIZE), 0);
	p->buffer = guest_alloc(&p->guest, BUFFER_LEN, 16);
	p->running = true;
}

static void ask(struct player *p)
{
	const struct guest_buf buf = { p->buffer, BUFFER_LEN, true };

	assert_true(guest_add(&p->guest, 0, &buf, 1, false) >= 0);
	guest_kick(&p->guest, 0);
}

/* More is available than there is room for. */
static void break_ring(struct player *p)
{
	guest_set_avail_idx(&p->guest, 0,
			    p->guest.queue[0].avail_idx + QUEUE_SIZE + 1);
	guest_kick(&p->guest, 0);
}

static void choose_vector(struct player *p, uint16_t vector)
{
	struct guest *g = &p->guest;

	guest_write(g, GUEST_CAP_COMMON, GUEST_CONFIG_VECTOR, 2, CONFIG);
	guest_write(g, GUEST_CAP_COMMON, GUEST_QUEUE_SELECT, 2, 0);
	guest_write(g, GUEST_CAP_COMMON, GUEST_QUEUE_VECTOR, 2, vector);
	assert_int_equal(guest_read(g, GUEST_CAP_COMMON, GUEST_QUEUE_VECTOR, 2),
			 vector);
}

static void power_on(struct player *p)
{
	p->running = false;
	p->msix = false;
	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		p->masked[v] = true;
		p->moved[v] = false;
		if (p->ear->masked)
			p->ear->masked(p->ear, v, true);
	}
}

static void reset_function(struct player *p)
{
	assert_int_equal(link_reset(&p->rig->link, RIG_BDF), 0);
	power_on(p);
	place(p);
}

static void act(struct player *p, const struct step *s)
{
	struct guest *g = &p->guest;

	switch (s->verb) {
	case ASK:
		ask(p);
		break;
	case READ:
		p->isr = guest_isr(g);
		break;
	case END:
		p->ear->end(p->ear);
		break;
	case PIN:
		guest_intx_disable(g, !s->arg);
		break;
	case MSIX:
		p->msix = s->arg;
		guest_msix_control(g, p->msix, false);
		break;
	case OPEN:
		guest_msix_control(g, p->msix, !s->arg);
		break;
	case MASK:
	case UNMASK:
		p->masked[s->arg] = s->verb == MASK;
		write_entry(p, s->arg);
		break;
	case MOVE:
		p->moved[s->arg] = !p->moved[s->arg];
		write_entry(p, s->arg);
		break;
	case MASTER:
		guest_command(g, true, s->arg);
		break;
	case VECTOR:
		choose_vector(p, (uint16_t)s->arg);
		break;
	case WANT:
		guest_want_interrupts(g, 0, s->arg);
		break;
	case BREAK:
		break_ring(p);
		break;
	case RESET:
		assert_int_equal(guest_reset(g), 0);
		p->running = false;
		break;
	case START:
		start(p);
		break;
	case FLR:
		reset_function(p);
		break;
	}
}

/* How many buffers were used. */
static unsigned int take_used(struct player *p)
{
	struct guest_used used;
	unsigned int n = 0;

	while (p->running && guest_poll(&p->guest, 0, &used) > 0) {
		assert_int_equal(used.len, BUFFER_LEN);
		n++;
	}
	return n;
}

/* ---- What must be heard and seen ----------------------------------------- */

static bool told(const struct story_ear *ear, const struct msi_message *m,
		 unsigned int v, bool moved)
{
	const struct msi_message sent = device_story_message(v, moved);

	if ((ear->tells & (STORY_TELLS_DATA | STORY_TELLS_MESSAGE)) &&
	    m->data != sent.data)
		return false;
	return !(ear->tells & STORY_TELLS_MESSAGE) ||
	       (m->address == sent.address &&
		m->requester_id == sent.requester_id &&
		m->vector == sent.vector);
}

static void expect(const struct player *p, unsigned int i, const char *what,
		   unsigned int is, unsigned int should)
{
	if (is != should)
		fail_msg("%s: %u, \"%s\": %s %u, not %u", p->ear->name, i,
			 story[i].what, what, is, should);
}

static void compare_heard(const struct player *p, unsigned int i,
			  const struct story_heard *heard)
{
	const struct step *s = &story[i];
	const struct story_ear *ear = p->ear;

	expect(p, i, "messages of vector 0", heard->nr[CONFIG], s->config);
	expect(p, i, "messages of vector 1", heard->nr[QUEUE], s->queue);
	for (unsigned int v = 0; v < STORY_VECTORS; v++)
		if (heard->nr[v] &&
		    !told(ear, &heard->last[v], v, v == QUEUE && s->moved))
			fail_msg("%s: %u, \"%s\": vector %u by another message",
				 ear->name, i, s->what, v);
	expect(p, i, "that nobody sent", heard->strange, 0);
	expect(p, i, "interrupts of the line", heard->line, s->line);
	if (ear->tells & STORY_TELLS_LEVEL)
		expect(p, i, "level", heard->level, s->level);
}

static void compare_seen(struct player *p, unsigned int i, unsigned int done)
{
	const struct step *s = &story[i];
	unsigned int kept = 0;

	expect(p, i, "buffers", done, s->done);
	expect(p, i, "STATUS.3", guest_intx_status(&p->guest), s->cause);
	expect(p, i, "ISR", p->isr, s->isr);
	for (unsigned int v = 0; v < STORY_VECTORS; v++)
		kept |= (unsigned int)guest_msix_pending(&p->guest, v) << v;
	expect(p, i, "pending bits", kept, s->kept);
}

static void play_step(struct player *p, unsigned int i)
{
	struct story_heard heard = { 0 };

	if (p->ear->before)
		p->ear->before(p->ear, i);
	p->isr = 0;
	act(p, &story[i]);
	assert_true(rig_run(p->rig, 8));
	p->ear->listen(p->ear, &heard);
	compare_heard(p, i, &heard);
	compare_seen(p, i, take_used(p));
}

void device_story_play(struct rig *rig, struct story_ear *ear,
		       uint64_t features)
{
	struct player p = { .rig = rig, .ear = ear, .features = features };

	rig_guest(rig, &p.guest);
	power_on(&p);
	assert_int_equal(guest_find_caps(&p.guest), 0);
	assert_int_equal(p.guest.msix.nr, STORY_VECTORS);
	place(&p);
	start(&p);
	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		p.masked[v] = false;
		write_entry(&p, v);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(story); i++)
		play_step(&p, i);
	assert_true(rig_guards_hold(rig));
}
