/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bus under arbitrary changes and lookups: the bytes are the numbers that
 * the story of the property test draws, from which instance and layout it has
 * to where each range lies and which byte is asked for.
 *
 * After each step: bus and naive array say the same of whatever the step met.
 * In the end: of all there is.
 */
#include "tests/fuzz/must.h"
#include "transport/bus/test_story.h"

#define RANGES 64

struct input {
	const uint8_t *p, *end;
};

static struct story story;

/* The next @bytes as a number; 0 behind the end. */
static uint64_t draw(struct story *s, unsigned int bytes)
{
	struct input *i = s->ctx;
	uint64_t v = 0;

	if ((size_t)(i->end - i->p) < bytes) {
		i->p = i->end;
		return 0;
	}
	memcpy(&v, i->p, bytes);
	i->p += bytes;
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input i = { data, data + size };
	uint64_t how;

	story.draw = draw;
	story.ctx = &i;
	how = draw(&story, 1);
	story_begin(&story, how & 1 ? STORY_PORTS : STORY_TOP,
		    how / 2 % STORY_LAYOUTS, 1 + how / 16 * RANGES / 16);
	while (i.p < i.end && !story.wrong)
		story_step(&story);
	story_finish(&story);
	must(!story.wrong);
	return 0;
}
