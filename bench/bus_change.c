/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What changes a structure: built, grown one by one, changed at a steady number,
 * shrunk; and the memory it takes.
 *
 * How: what comes and goes are blocks of ranges in random order, each of which
 * returns after another has gone.  Moves go to where a range of the same size
 * was, and all the way back.
 */
#include "bench/bus_time.h"

#include "bench/bus_oracle.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK	  64u
#define CHANGES	  4096u
/* One by one from none, for those whose changes are linear. */
#define MAX_GROWN 4096u

struct clock {
	const struct bus_rig *rig;
	uint64_t ticks, overhead;
	uint32_t nr;
};

static void begin(struct clock *c)
{
	c->ticks -= bench_ticks();
}

static void end(struct clock *c, uint32_t nr)
{
	c->ticks += bench_ticks() - c->overhead;
	c->nr += nr;
}

static double elapsed(const struct clock *c)
{
	return (double)(int64_t)c->ticks * c->rig->ns_per_tick;
}

static double each(const struct clock *c)
{
	double ns = elapsed(c) / (c->nr ? c->nr : 1);

	return c->nr ? (ns > 0.01 ? ns : 0.01) : NAN;
}

static struct clock clock_of(const struct bus_rig *rig)
{
	struct clock c = { .rig = rig };
	uint64_t least = UINT64_MAX, t;

	for (int i = 0; i < 16; i++) {
		t = bench_ticks();
		t = bench_ticks() - t;
		least = t < least ? t : least;
	}
	c.overhead = least;
	return c;
}

static int insert_all(const struct bus_subject *s, struct bus_range **r,
		      uint32_t n)
{
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++)
		err = s->what->insert(s->s, r[i]);
	return err;
}

static void remove_all(const struct bus_subject *s, struct bus_range **r,
		       uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		s->what->remove(s->s, r[i]);
}

/* Both at once: what comes is what went one block ago. */
static int come_and_go(struct bus_rig *rig, const struct bus_subject *s,
		       unsigned int round, double *come, double *go)
{
	struct clock in = clock_of(rig), out = clock_of(rig);
	uint32_t n = rig->set.n, nr = n / 2 < BLOCK ? n / 2 : BLOCK;
	uint32_t blocks = n / nr, at, last = round % blocks;
	struct bus_range **some = rig->set.some;
	int err = 0;

	remove_all(s, &some[last * nr], nr);
	while (in.nr < CHANGES &&
	       elapsed(&in) + elapsed(&out) < (rig->quick ? 1e6 : 1e7) &&
	       !err) {
		at = (last + 1) % blocks;
		begin(&out);
		remove_all(s, &some[at * nr], nr);
		end(&out, nr);
		begin(&in);
		err = insert_all(s, &some[last * nr], nr);
		end(&in, nr);
		last = at;
	}
	if (!err)
		err = insert_all(s, &some[last * nr], nr);
	*come = each(&in);
	*go = each(&out);
	return err;
}

struct step {
	struct bus_range *r;
	uint64_t from, to;
};

static bool has_room_behind(const struct bus_set *set,
			    const struct bus_range *r)
{
	uint64_t at = r->base + r->size, room;

	room = r + 1 < set->range + set->n ? r[1].base - at : set->limit - at;
	return at && room >= r->size;
}

/* Where ranges of some[0] to some[nr] were is free.  How many steps. */
static uint32_t plan_moves(const struct bus_set *set, uint32_t nr,
			   struct step *step)
{
	uint64_t free_at[BLOCK];
	uint32_t steps = 0, j;

	for (j = 0; j < nr; j++)
		free_at[j] = set->some[j]->base;
	for (uint32_t i = nr; i < set->n && steps < CHANGES / 4; i++) {
		struct bus_range *r = set->some[i];

		for (j = 0; j < nr; j++)
			if (set->some[(i + j) % nr]->size == r->size)
				break;
		if (j == nr)
			continue;
		j = (i + j) % nr;
		step[steps++] = (struct step){ r, r->base, free_at[j] };
		free_at[j] = r->base;
	}
	for (uint32_t i = nr; i < set->n && !steps; i++)
		if (has_room_behind(set, set->some[i]))
			step[steps++] =
				(struct step){ set->some[i], set->some[i]->base,
					       set->some[i]->base +
						       set->some[i]->size };
	return steps;
}

static int move(const struct bus_subject *s, struct bus_range *r, uint64_t base)
{
	if (s->what->move)
		return s->what->move(s->s, r, base);
	s->what->remove(s->s, r);
	r->base = base;
	return s->what->insert(s->s, r);
}

static int there_and_back(struct bus_rig *rig, const struct bus_subject *s,
			  const struct step *step, uint32_t steps, double *ns)
{
	struct clock c = clock_of(rig);
	uint32_t done = 0;
	int err = 0;

	while (c.nr < CHANGES && elapsed(&c) < (rig->quick ? 1e6 : 1e7) &&
	       !err) {
		begin(&c);
		for (done = 0; done < steps && !err; done++)
			err = move(s, step[done].r, step[done].to);
		for (; done > 0 && !err; done--)
			err = move(s, step[done - 1].r, step[done - 1].from);
		end(&c, 2 * steps);
	}
	*ns = each(&c);
	return err;
}

static int broke(const struct bus_subject *s, const char *doing, int err)
{
	fprintf(stderr, "pciring-bench: bus: %s: %s failed: %d\n",
		s->what->name, doing, err);
	return err;
}

static bool changes(const struct bus_rig *rig, const struct bus_subject *s)
{
	return rig->set.n <= s->what->max_changed && rig->set.n >= 2;
}

static int steady(struct bus_rig *rig, const bool modes[NR_BUS_MODES])
{
	double go[BUS_MAX_SUBJECTS][BUS_MAX_ROUNDS] = { { 0 } }, come;
	int err;

	for (unsigned int round = 0; round < rig->rounds; round++)
		for (unsigned int i = 0; i < rig->nr; i++) {
			come = go[i][round] = NAN;
			err = changes(rig, &rig->subject[i])
				      ? come_and_go(rig, &rig->subject[i],
						    round, &come, &go[i][round])
				      : 0;
			if (err)
				return broke(&rig->subject[i], "insert", err);
			bus_rig_took(rig, i, round, come);
		}
	if (modes[BUS_MODE_INSERT])
		bus_rig_report(rig, "steady", BUS_MODE_INSERT);
	for (unsigned int round = 0; round < rig->rounds; round++)
		for (unsigned int i = 0; i < rig->nr; i++)
			bus_rig_took(rig, i, round, go[i][round]);
	if (modes[BUS_MODE_REMOVE])
		bus_rig_report(rig, "steady", BUS_MODE_REMOVE);
	return 0;
}

static int moves(struct bus_rig *rig)
{
	uint32_t nr = rig->set.n / 2 < BLOCK ? rig->set.n / 2 : BLOCK, steps;
	struct step *step = malloc((CHANGES / 4 + rig->set.n) * sizeof(*step));
	int err = step ? 0 : -ENOMEM;
	double ns;

	steps = err ? 0 : plan_moves(&rig->set, nr, step);
	for (unsigned int round = 0; round < rig->rounds && steps; round++)
		for (unsigned int i = 0; i < rig->nr && !err; i++) {
			struct bus_subject *s = &rig->subject[i];

			ns = NAN;
			if (changes(rig, s)) {
				remove_all(s, rig->set.some, nr);
				err = there_and_back(rig, s, step, steps, &ns);
				if (!err)
					err = insert_all(s, rig->set.some, nr);
			}
			if (err)
				err = broke(s, "move", err);
			bus_rig_took(rig, i, round, ns);
		}
	if (steps && !err)
		bus_rig_report(rig, "steady", BUS_MODE_MOVE);
	free(step);
	return err;
}

static void memory(struct bus_rig *rig)
{
	double floor = 0;

	for (unsigned int i = 0; i < rig->nr; i++) {
		const struct bus_subject *s = &rig->subject[i];
		struct bus_figure f = {
			.structure = s->what->name,
			.layout = bus_layout_name[rig->set.layout],
			.pattern = "all",
			.mode = bus_mode_name[BUS_MODE_MEMORY],
			.n = rig->set.n,
			.ns = NAN,
		};

		f.bytes = (double)s->what->memory(s->s) / rig->set.n +
			  sizeof(struct bus_range);
		if (!i)
			floor = f.bytes;
		f.ratio = f.bytes / floor;
		bus_report_add(rig->report, &f);
	}
}

static int build_anew(struct bus_rig *rig, struct bus_subject *s, double *ns)
{
	struct clock c = clock_of(rig);
	int err;

	s->what->destroy(s->s);
	begin(&c);
	s->s = s->what->create(&rig->set);
	err = s->s ? s->what->build(s->s, rig->set.some, rig->set.n) : -ENOMEM;
	end(&c, 1);
	*ns = each(&c);
	return err;
}

static int builds(struct bus_rig *rig)
{
	int err;
	double ns;

	for (unsigned int round = 0; round < rig->rounds; round++)
		for (unsigned int i = 0; i < rig->nr; i++) {
			err = build_anew(rig, &rig->subject[i], &ns);
			if (err)
				return broke(&rig->subject[i], "build", err);
			bus_rig_took(rig, i, round, ns);
		}
	bus_rig_report(rig, "all", BUS_MODE_BUILD);
	return 0;
}

static int grow(struct bus_rig *rig, struct bus_subject *s, double *come,
		double *go)
{
	struct clock in = clock_of(rig), out = clock_of(rig);
	uint32_t n = rig->set.n;
	int err;

	s->what->destroy(s->s);
	s->s = s->what->create(&rig->set);
	if (!s->s)
		return -ENOMEM;
	begin(&in);
	err = insert_all(s, rig->set.some, n);
	end(&in, n);
	if (err)
		return err;
	begin(&out);
	remove_all(s, rig->set.some, n);
	end(&out, n);
	*come = each(&in);
	*go = each(&out);
	return s->what->build(s->s, rig->set.some, n);
}

static int grown(struct bus_rig *rig, const bool modes[NR_BUS_MODES])
{
	double go[BUS_MAX_SUBJECTS][BUS_MAX_ROUNDS] = { { 0 } }, come;
	int err = 0;

	for (unsigned int round = 0; round < rig->rounds; round++)
		for (unsigned int i = 0; i < rig->nr; i++) {
			struct bus_subject *s = &rig->subject[i];

			come = go[i][round] = NAN;
			if (changes(rig, s) &&
			    (s->what->max_changed >= BUS_MAX_RANGES ||
			     rig->set.n <= MAX_GROWN))
				err = grow(rig, s, &come, &go[i][round]);
			if (err)
				return broke(s, "insert one by one", err);
			bus_rig_took(rig, i, round, come);
		}
	if (modes[BUS_MODE_INSERT])
		bus_rig_report(rig, "grow", BUS_MODE_INSERT);
	for (unsigned int round = 0; round < rig->rounds; round++)
		for (unsigned int i = 0; i < rig->nr; i++)
			bus_rig_took(rig, i, round, go[i][round]);
	if (modes[BUS_MODE_REMOVE])
		bus_rig_report(rig, "shrink", BUS_MODE_REMOVE);
	return 0;
}

int bus_rig_changes(struct bus_rig *rig, const bool modes[NR_BUS_MODES])
{
	unsigned int rounds = rig->rounds;
	uint64_t addr;
	int err = 0;

	if (modes[BUS_MODE_MEMORY])
		memory(rig);
	/* Whole builds of many take long and vary little. */
	if (rig->set.n > 4096 && rig->rounds > 3)
		rig->rounds = 3;
	if (rig->set.n > 65536)
		rig->rounds = 1;
	if (modes[BUS_MODE_BUILD])
		err = builds(rig);
	if (!err && (modes[BUS_MODE_INSERT] || modes[BUS_MODE_REMOVE]))
		err = grown(rig, modes);
	rig->rounds = rounds;
	if (!err && (modes[BUS_MODE_INSERT] || modes[BUS_MODE_REMOVE]))
		err = steady(rig, modes);
	if (!err && modes[BUS_MODE_MOVE])
		err = moves(rig);
	for (unsigned int i = 1; i < rig->nr && !err; i++)
		if (!bus_oracle_ranges(rig->subject[i].what, rig->subject[i].s,
				       &rig->set, &addr))
			return broke(&rig->subject[i],
				     "an answer after changes", -EILSEQ);
	return err;
}
