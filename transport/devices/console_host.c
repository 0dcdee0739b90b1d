/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: four acts, each with at most one operation in the kernel: reading,
 * writing, accepting, counting time.  pump() looks at what there is and begins
 * what can be begun; whatever completes pumps again.
 *
 * A read or a write may wait inside the kernel or come back with -EAGAIN, by
 * the kind of file and the kernel's version; then it is asked when it could be
 * done, and done again.  When the guest takes no input nothing is read, and
 * the kernel is asked only for the hang-up.
 */
#include "transport/devices/console_host.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/log.h"

#define FLUSH_MAX 64 /* writes of a stop */

static void pump(struct console_host *h);

/* ---- Acts -------------------------------------------------------------------- */

static struct io_uring_sqe *begin(struct console_act *a,
				  enum console_phase phase)
{
	struct io_uring_sqe *sqe = uring_sqe(&a->op);

	if (!sqe) {
		a->host->news->again(a->host);
		return NULL;
	}
	a->phase = phase;
	a->cancelled = false;
	return sqe;
}

static void ask(struct console_act *a, enum console_phase phase, int fd,
		short events)
{
	struct io_uring_sqe *sqe = begin(a, phase);

	if (sqe)
		io_uring_prep_poll_add(sqe, fd, (unsigned int)events);
}

static void cancel(struct console_act *a)
{
	if (a->phase == CONSOLE_IDLE || a->cancelled)
		return;
	a->cancelled = true;
	uring_cancel(&a->op);
}

static void end(struct console_act *a)
{
	cancel(a);
	while (a->phase != CONSOLE_IDLE)
		uring_wait();
}

static enum console_phase ended(struct console_act *a)
{
	const enum console_phase was = a->phase;

	a->phase = CONSOLE_IDLE;
	return was;
}

static bool for_now(int32_t res)
{
	return res == -ECANCELED || res == -EINTR || res == -EAGAIN;
}

/* ---- Who is there ------------------------------------------------------------ */

static bool has_reader(const struct console_host *h)
{
	return h->there && !h->hung_up;
}

static void tell(struct console_host *h)
{
	const bool there = has_reader(h);

	if (h->told == there)
		return;
	h->told = there;
	h->news->reader(h, there);
}

static void hear_size(struct console_host *h)
{
	struct winsize size;

	if (ioctl(h->fd, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		return;
	if (h->cols == size.ws_col && h->rows == size.ws_row)
		return;
	h->cols = size.ws_col;
	h->rows = size.ws_row;
	h->news->size(h, h->cols, h->rows);
}

static void arrive(struct console_host *h)
{
	h->there = true;
	h->stuck = 0;
	tell(h);
	if (h->spec.kind == CONSOLE_PTY)
		hear_size(h);
}

static void leave(struct console_host *h)
{
	h->there = false;
	h->hung_up = false;
	h->stalled = false;
	h->leaving = true;
	tell(h);
	cancel(&h->read);
	cancel(&h->write);
}

/* What he left is read first, if it ever will be. */
static void hang_up(struct console_host *h)
{
	if (!h->wanted) {
		leave(h);
		return;
	}
	h->hung_up = true;
	h->stuck = 0;
	tell(h);
	cancel(&h->write);
}

/* Nothing refers to his descriptor any more. */
static void part(struct console_host *h)
{
	if (!h->leaving || h->read.phase != CONSOLE_IDLE ||
	    h->write.phase != CONSOLE_IDLE)
		return;
	h->leaving = false;
	if (h->spec.kind != CONSOLE_UNIX)
		return;
	close(h->fd);
	h->fd = -1;
	h->input = -1;
}

static void lose(struct console_host *h, int err)
{
	log_limited(LOG_WARN, "console %s: %s", h->spec.path, strerror(err));
	h->deaf = true;
	h->news->lost(h);
}

/* ---- From him ---------------------------------------------------------------- */

static void read_done(struct uring_op *op, int32_t res)
{
	struct console_act *a = container_of(op, struct console_act, op);
	struct console_host *h = a->host;

	switch (ended(a)) {
	case CONSOLE_MOVING:
		if (res > 0) {
			h->stuck = 0;
			console_ring_filled(&h->in, (uint32_t)res);
			h->news->input(h);
		} else if (res == -EAGAIN && h->running) {
			ask(a, CONSOLE_READY, h->input, POLLIN);
		} else if (!for_now(res) && h->spec.kind == CONSOLE_FILE) {
			close(h->input); /* its end */
			h->input = -1;
		} else if (!for_now(res) && h->there) {
			leave(h);
		}
		break;
	case CONSOLE_WATCHES:
		if (res > 0)
			hang_up(h);
		break;
	case CONSOLE_PROBES:
		if (res > 0 && !(res & POLLHUP) && !h->leaving)
			arrive(h);
		break;
	default:
		break;
	}
	pump(h);
}

static void begin_read(struct console_host *h)
{
	struct io_uring_sqe *sqe;
	uint32_t n;
	uint8_t *to = console_ring_space(&h->in, &n);

	sqe = begin(&h->read, CONSOLE_MOVING);
	/* Offset -1: wherever the file is. */
	if (sqe)
		io_uring_prep_read(sqe, h->input, to, n, (uint64_t)-1);
}

static void pump_in(struct console_host *h)
{
	const bool can =
		h->input >= 0 && h->wanted &&
		(console_ring_room(&h->in) || console_ring_wait(&h->in));

	if (h->read.phase == CONSOLE_WATCHES && can)
		cancel(&h->read);
	if (h->read.phase != CONSOLE_IDLE)
		return;
	if (can)
		begin_read(h);
	else if (h->spec.kind != CONSOLE_FILE && !h->hung_up)
		ask(&h->read, CONSOLE_WATCHES, h->fd, 0);
}

/* ---- To him ------------------------------------------------------------------ */

static void freed(struct console_host *h, uint32_t n)
{
	console_ring_took(&h->out, n);
	if (console_ring_wake(&h->out))
		h->news->room(h);
}

static void drop(struct console_host *h, uint32_t n)
{
	h->dropped += n;
	freed(h, n);
}

/* What nobody will read. */
static void discard(struct console_host *h)
{
	const uint32_t keep = h->spec.hold && !h->stalled && !h->deaf
				      ? CONSOLE_HOLD_BYTES
				      : 0;
	const uint32_t n = console_ring_bytes(&h->out);

	if (h->write.phase == CONSOLE_MOVING)
		return; /* the kernel reads there */
	if (has_reader(h) && !h->stalled && !h->deaf)
		return;
	if (n > keep)
		drop(h, n - keep);
}

static void wrote(struct console_host *h, uint32_t n)
{
	h->stuck = 0;
	if (!h->urging) {
		freed(h, n);
		return;
	}
	h->nr_urgent -= n;
	memmove(h->urgent, h->urgent + n, h->nr_urgent);
}

static void cannot_write(struct console_host *h, int err)
{
	uint32_t n;

	if (h->spec.kind != CONSOLE_FILE) {
		if (h->there)
			leave(h);
		return;
	}
	log_limited(LOG_WARN, "console %s: output is dropped: %s", h->spec.path,
		    strerror(err));
	if (h->urging) {
		h->nr_urgent = 0;
		return;
	}
	console_ring_look(&h->out, &n);
	drop(h, n);
}

static void write_done(struct uring_op *op, int32_t res)
{
	struct console_act *a = container_of(op, struct console_act, op);
	struct console_host *h = a->host;

	if (ended(a) == CONSOLE_READY)
		h->stalled &= res < 0;
	else if (res > 0)
		wrote(h, (uint32_t)res);
	else if (res == -EAGAIN && h->running)
		ask(a, CONSOLE_READY, h->fd, POLLOUT);
	else if (!for_now(res))
		cannot_write(h, -res);
	pump(h);
}

/* False: there is nothing, or it could not be begun. */
static bool begin_write(struct console_host *h)
{
	const uint8_t *from = h->urgent;
	uint32_t n = h->nr_urgent;
	struct io_uring_sqe *sqe;

	h->urging = n;
	if (!n)
		from = console_ring_look(&h->out, &n);
	sqe = n ? begin(&h->write, CONSOLE_MOVING) : NULL;
	if (!sqe)
		return false;
	/* Who has gone is no cause for a signal. */
	if (h->spec.kind == CONSOLE_UNIX)
		io_uring_prep_send(sqe, h->fd, from, n, MSG_NOSIGNAL);
	else
		io_uring_prep_write(sqe, h->fd, from, n, (uint64_t)-1);
	return true;
}

static void pump_out(struct console_host *h)
{
	if (h->write.phase != CONSOLE_IDLE || !has_reader(h))
		return;
	if (h->stalled)
		ask(&h->write, CONSOLE_READY, h->fd, POLLOUT);
	else
		begin_write(h);
}

/* A write that would wait is cancelled as soon as it was tried.  A file's does
 * not wait for anybody. */
static void end_write(struct console_host *h)
{
	if (h->spec.kind != CONSOLE_FILE)
		cancel(&h->write);
	while (h->write.phase != CONSOLE_IDLE)
		uring_wait();
}

/* What can be written without waiting. */
static void flush(struct console_host *h)
{
	uint32_t before;
	unsigned int i;

	for (i = 0; h->fd >= 0 && !h->stalled && i < FLUSH_MAX; i++) {
		before = console_ring_bytes(&h->out) + h->nr_urgent;
		if (h->write.phase == CONSOLE_IDLE && !begin_write(h))
			return;
		end_write(h);
		if (console_ring_bytes(&h->out) + h->nr_urgent == before)
			return;
	}
}

/* ---- Time -------------------------------------------------------------------- */

static void stuck_too_long(struct console_host *h)
{
	h->stuck = 0;
	if (h->hung_up) {
		leave(h);
		return;
	}
	h->stalled = true;
	cancel(&h->write);
}

static void timer_done(struct uring_op *op, int32_t res)
{
	struct console_act *a = container_of(op, struct console_act, op);
	struct console_host *h = a->host;
	const bool waits =
		h->hung_up || (h->write.phase != CONSOLE_IDLE &&
			       h->spec.kind != CONSOLE_FILE && !h->stalled);

	ended(a);
	if (h->running && res == -ETIME) {
		h->probe = true;
		if (h->there && h->spec.kind == CONSOLE_PTY)
			hear_size(h);
		if (waits && ++h->stuck >= CONSOLE_STALL_S)
			stuck_too_long(h);
	}
	pump(h);
}

static void set_period(struct console_host *h, uint32_t ms)
{
	h->period.tv_sec = ms / 1000;
	h->period.tv_nsec = ms % 1000 * 1000000ll;
}

/* Armed whenever somebody may keep us waiting; it runs out by itself. */
static void pump_timer(struct console_host *h)
{
	const bool pty = h->spec.kind == CONSOLE_PTY;
	struct io_uring_sqe *sqe;

	if (h->timer.phase != CONSOLE_IDLE || h->spec.kind == CONSOLE_FILE)
		return;
	if (!pty && !h->hung_up && h->write.phase == CONSOLE_IDLE && h->probe)
		return;
	/* Four times as often while a pty may be opened. */
	set_period(h, pty && !h->there ? h->second_ms / 4 : h->second_ms);
	sqe = begin(&h->timer, CONSOLE_MOVING);
	if (sqe)
		io_uring_prep_timeout(sqe, &h->period, 0, 0);
}

/* ---- Coming and going -------------------------------------------------------- */

static void accept_done(struct uring_op *op, int32_t res)
{
	struct console_act *a = container_of(op, struct console_act, op);
	struct console_host *h = a->host;

	ended(a);
	if (res >= 0) {
		h->fd = res;
		h->input = res;
		arrive(h);
	} else if (res == -EBADF || res == -EINVAL || res == -ENOTSOCK) {
		lose(h, -res);
	} else if (!for_now(res)) {
		/* No descriptor left, he went before: after a while. */
		h->probe = false;
	}
	pump(h);
}

static void await(struct console_host *h)
{
	struct io_uring_sqe *sqe;

	if (h->spec.kind == CONSOLE_PTY && h->probe &&
	    h->read.phase == CONSOLE_IDLE) {
		h->probe = false;
		ask(&h->read, CONSOLE_PROBES, h->fd, POLLIN | POLLOUT);
	}
	if (h->spec.kind != CONSOLE_UNIX || !h->probe ||
	    h->accept.phase != CONSOLE_IDLE)
		return;
	sqe = begin(&h->accept, CONSOLE_MOVING);
	if (sqe)
		io_uring_prep_accept(sqe, h->listener, NULL, NULL,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void pump(struct console_host *h)
{
	if (!h->running)
		return;
	part(h);
	discard(h);
	if (h->deaf)
		return;
	if (!h->there && !h->leaving)
		await(h);
	if (h->there) {
		pump_in(h);
		pump_out(h);
	}
	pump_timer(h);
}

/* ---- Calls ------------------------------------------------------------------- */

int console_host_open(struct console_host *h,
		      const struct console_host_spec *spec,
		      const struct console_host_news *news, char *error,
		      size_t room)
{
	h->news = news;
	h->spec = *spec;
	h->fd = -1;
	h->input = -1;
	h->listener = -1;
	h->second_ms = 1000;
	h->read = (struct console_act){ .op.done = read_done, .host = h };
	h->write = (struct console_act){ .op.done = write_done, .host = h };
	h->accept = (struct console_act){ .op.done = accept_done, .host = h };
	h->timer = (struct console_act){ .op.done = timer_done, .host = h };
	return console_end_open(h, error, room);
}

void console_host_close(struct console_host *h)
{
	assert(!h->running);
	console_end_close(h);
}

void console_host_start(struct console_host *h, bool wanted)
{
	const int err = uring_open();

	console_ring_reset(&h->in);
	h->running = true;
	h->wanted = wanted;
	h->probe = true;
	h->told = false;
	h->stuck = 0;
	if (err && !h->deaf)
		lose(h, -err);
	/* A client of the guest's last life is still connected. */
	if (!h->deaf && h->spec.kind != CONSOLE_PTY && h->fd >= 0)
		arrive(h);
	pump(h);
}

void console_host_stop(struct console_host *h)
{
	if (!h->running)
		return;
	h->running = false;
	if (has_reader(h))
		flush(h);
	end(&h->read);
	end_write(h);
	end(&h->accept);
	end(&h->timer);
	part(h);
	h->there = false;
	h->hung_up = false;
	h->stalled = false;
}

void console_host_pump(struct console_host *h)
{
	pump(h);
}

void console_host_want(struct console_host *h, bool wanted)
{
	h->wanted = wanted;
	pump(h);
}

void console_host_urge(struct console_host *h, uint8_t byte)
{
	if (h->nr_urgent == sizeof(h->urgent)) {
		h->dropped++;
		return;
	}
	h->urgent[h->nr_urgent++] = byte;
	if (h->running)
		pump(h);
	else if (!uring_open())
		flush(h);
}
