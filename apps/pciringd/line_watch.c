/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an eventfd is never read here.  The client shares it, flags and all: it
 * could make it blocking and empty it between our look and our read, which
 * would then last until the next signal, and with it the control thread's
 * sleep.  Edge-triggered, epoll reports each signal (every write to an eventfd
 * wakes who polls it) although the counter stays where it is.
 *
 * For the same reason a watch leaves epoll before its descriptor is closed:
 * what epoll watches is the file, which lives on with the client.
 */
#include "apps/pciringd/line_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "apps/pciringd/attachment.h"

struct line_watch {
	struct control_source source; /* owns its descriptor, once committed */
	struct line_watches *watches; /* borrowed */
	unsigned int kind;
	uint32_t number;
	long trigger_id, resample_id; /* of its line's eventfds; -1: unknown */
	struct line_watch *next;
};

static void resample(void *arg)
{
	struct line_watch *l = arg;

	/* A function that has gone has no line; its watch goes as well. */
	link_line_control(l->watches->link, l->kind, l->number,
			  PCIRING_IRQ_UNMASK);
}

static void signalled(struct control_source *s, uint32_t events)
{
	struct line_watch *l = container_of(s, struct line_watch, source);

	(void)events;
	l->watches->signals++;
	service_run(l->watches->machine, resample, l);
}

/* The kernel's number for the eventfd behind @fd, or -1. */
static long eventfd_id(int fd)
{
	char path[48], line[128];
	long id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && id < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "eventfd-id: %ld", &id) != 1)
			id = -1;
	if (f)
		fclose(f);
	return id;
}

static bool meets(const struct line_watch *l, const struct line_watch *other)
{
	return (l->trigger_id >= 0 && l->trigger_id == other->resample_id) ||
	       (l->resample_id >= 0 && l->resample_id == other->trigger_id);
}

/* Not the line's own watch so far, which @l replaces. */
static bool meets_others(const struct line_watch *l,
			 const struct line_watches *w)
{
	const struct line_watch *o;

	for (o = w->first; o; o = o->next)
		if (meets(l, o) && (w != l->watches || o->kind != l->kind ||
				    o->number != l->number))
			return true;
	return false;
}

/* In a circle, whatever its length, the last one bound meets two. */
static bool closes_circle(const struct line_watch *l)
{
	const struct service *s = l->watches->machine->service;
	const struct service_machine *m;
	const struct attachment *a;

	if (meets(l, l))
		return true;
	for (m = s->machines; m; m = m->next)
		for (a = m->attachments; a; a = a->next)
			if (meets_others(l, &a->watches))
				return true;
	return false;
}

int line_watch_open(struct line_watches *w, unsigned int kind, uint32_t number,
		    int trigger, int fd, struct line_watch **out)
{
	struct line_watch *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->watches = w;
	l->kind = kind;
	l->number = number;
	l->trigger_id = eventfd_id(trigger);
	l->resample_id = eventfd_id(fd);
	l->source.fd = fd;
	l->source.events = EPOLLIN | EPOLLET;
	l->source.ready = signalled;
	/* What was signalled before is an edge too: none is missed. */
	err = closes_circle(l) ? -EINVAL : control_add(w->control, &l->source);
	if (err) {
		free(l);
		return err;
	}
	*out = l;
	return 0;
}

void line_watch_cancel(struct line_watch *l)
{
	control_remove(l->watches->control, &l->source);
	free(l);
}

static void watch_close(struct line_watch *l)
{
	int fd = l->source.fd;

	line_watch_cancel(l);
	close(fd);
}

void line_watch_commit(struct line_watches *w, unsigned int kind,
		       uint32_t number, struct line_watch *l)
{
	struct line_watch **p = &w->first, *old;

	while (*p && ((*p)->kind != kind || (*p)->number != number))
		p = &(*p)->next;
	old = *p;
	if (old) {
		*p = old->next;
		watch_close(old);
	}
	if (l) {
		l->next = w->first;
		w->first = l;
	}
}

void line_watch_close_all(struct line_watches *w)
{
	struct line_watch *l;

	while ((l = w->first)) {
		w->first = l->next;
		watch_close(l);
	}
}
