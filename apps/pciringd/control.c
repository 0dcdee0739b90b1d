/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: epoll hands out one event at a time, so a handler may remove and free
 * any source without a later event of the same batch meeting it; the kernel
 * puts what is still ready at the end of its list, which is the fairness.
 */
#include "apps/pciringd/control.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1000

struct control_request {
	void (*fn)(void *arg);
	void *arg;
	void (*release)(void *arg);
	bool done, abandoned;
	struct control_request *next;
};

uint64_t control_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- Requests of other threads ------------------------------------------ */

static struct control_request *take_request(struct control *c)
{
	struct control_request *r;

	pthread_mutex_lock(&c->lock);
	r = c->head;
	if (r) {
		c->head = r->next;
		if (!c->head)
			c->tail = &c->head;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

static void finish_request(struct control *c, struct control_request *r)
{
	bool abandoned;

	pthread_mutex_lock(&c->lock);
	r->done = true;
	abandoned = r->abandoned;
	pthread_cond_broadcast(&c->done);
	pthread_mutex_unlock(&c->lock);
	/* The caller who waits frees it; one who has left does not. */
	if (abandoned) {
		r->release(r->arg);
		free(r);
	}
}

static void requests_ready(struct control_source *s, uint32_t events)
{
	struct control *c = container_of(s, struct control, wake);
	struct control_request *r;
	uint64_t count;

	(void)events;
	if (read(s->fd, &count, sizeof(count)) < 0)
		return;
	while ((r = take_request(c))) {
		r->fn(r->arg);
		finish_request(c, r);
	}
}

static void deadline(struct timespec *t, unsigned int ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

int control_call(struct control *c, void (*fn)(void *arg), void *arg,
		 void (*release)(void *arg), unsigned int timeout_ms)
{
	const uint64_t one = 1;
	struct control_request *r;
	struct timespec until;
	int err = 0;

	r = calloc(1, sizeof(*r));
	if (!r) {
		release(arg);
		return -ENOMEM;
	}
	*r = (struct control_request){ .fn = fn,
				       .arg = arg,
				       .release = release };
	deadline(&until, timeout_ms);
	pthread_mutex_lock(&c->lock);
	if (c->closed) {
		pthread_mutex_unlock(&c->lock);
		free(r);
		release(arg);
		return -ESHUTDOWN;
	}
	*c->tail = r;
	c->tail = &r->next;
	if (write(c->wake.fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	while (!r->done && !err)
		err = pthread_cond_timedwait(&c->done, &c->lock, &until);
	r->abandoned = !r->done;
	pthread_mutex_unlock(&c->lock);
	if (r->abandoned)
		return -ETIMEDOUT;
	free(r);
	return 0;
}

/* ---- Sources ------------------------------------------------------------ */

int control_add(struct control *c, struct control_source *s)
{
	struct epoll_event ev = { .events = s->events, .data.ptr = s };

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) ? -errno : 0;
}

void control_events(struct control *c, struct control_source *s,
		    uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (s->events == events)
		return;
	s->events = events;
	epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, s->fd, &ev);
}

void control_remove(struct control *c, struct control_source *s)
{
	epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
}

void control_add_tick(struct control *c, struct control_tick *t)
{
	t->next = c->ticks;
	c->ticks = t;
}

static void run_ticks(struct control *c)
{
	uint64_t now = control_now_ms();

	if (!c->ticks || now < c->next_tick_ms)
		return;
	c->next_tick_ms = now + TICK_MS;
	for (struct control_tick *t = c->ticks; t; t = t->next)
		t->tick(t);
}

void control_run(struct control *c)
{
	struct control_source *s;
	struct epoll_event ev;

	while (!c->stop) {
		if (epoll_wait(c->epoll_fd, &ev, 1, c->ticks ? TICK_MS : -1) ==
		    1) {
			s = ev.data.ptr;
			s->ready(s, ev.events);
		}
		run_ticks(c);
	}
}

void control_stop(struct control *c)
{
	c->stop = true;
}

int control_init(struct control *c)
{
	pthread_condattr_t attr;
	int err;

	memset(c, 0, sizeof(*c));
	c->tail = &c->head;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return -errno;
	c->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake.fd < 0) {
		err = -errno;
		goto close_epoll;
	}
	c->wake.ready = requests_ready;
	c->wake.events = EPOLLIN;
	err = control_add(c, &c->wake);
	if (err)
		goto close_wake;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->done, &attr);
	pthread_condattr_destroy(&attr);
	return 0;

close_wake:
	close(c->wake.fd);
close_epoll:
	close(c->epoll_fd);
	return err;
}

void control_fini(struct control *c)
{
	struct control_request *r;

	/* Who still waits is answered; nobody new gets in. */
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_mutex_unlock(&c->lock);
	while ((r = take_request(c))) {
		r->fn(r->arg);
		finish_request(c, r);
	}
	close(c->wake.fd);
	close(c->epoll_fd);
}
