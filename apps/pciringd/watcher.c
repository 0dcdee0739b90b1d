/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: nothing is queued for a watcher; the socket's buffer takes what there
 * is to say, and one that lets it fill up is dropped and told everything anew
 * when it comes back.
 */
#include "apps/pciringd/watcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ring/attach.h"

/* Room for all sockets a machine can have, several times. */
#define SEND_BUFFER (1 << 20)

int watcher_create(struct service_machine *m, const struct msg_hello *hello,
		   int sock, int pid, struct watcher **out)
{
	const int size = SEND_BUFFER;
	struct watcher *w;

	if (m->watcher)
		return -EBUSY;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->machine = m;
	w->sock = sock;
	w->pid = pid;
	snprintf(w->name, sizeof(w->name), "%.*s", PCIRING_NAME_MAX - 1,
		 hello->name);
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	m->watcher = w;
	*out = w;
	return 0;
}

void watcher_destroy(struct watcher *w)
{
	struct service_function *f;

	for (f = w->machine->functions; f; f = f->next) {
		f->socket.reported = false;
		if (!f->socket.declared)
			f->socket.path[0] = '\0';
	}
	w->machine->watcher = NULL;
	free(w);
}

int watcher_tell(struct watcher *w, enum msg_type type,
		 const struct service_function *f)
{
	struct msg_socket m = {
		.h = { .magic = MSG_MAGIC, .type = (uint16_t)type },
		.function = f->bdf,
	};

	memcpy(m.path, f->socket.path, sizeof(m.path));
	return attach_send(w->sock, &m, sizeof(m), NULL, 0);
}

int watcher_tell_all(struct watcher *w)
{
	const struct service_function *f;
	int err = 0;

	for (f = w->machine->functions; f && !err; f = f->next)
		if (f->socket.declared)
			err = watcher_tell(w, MSG_SOCKET_ADD, f);
	return err;
}

static bool report_is_good(const struct msg_socket *r)
{
	return r->state <= MSG_SOCKET_BUSY && r->error <= 0 &&
	       memchr(r->path, '\0', sizeof(r->path));
}

bool watcher_report(struct watcher *w, const struct msg_socket *report)
{
	struct service_function *f;

	if (!report_is_good(report))
		return false;
	f = service_function(w->machine, report->function);
	/* It may have been taken away while the report was under way. */
	if (!f || (f->socket.declared && strcmp(f->socket.path, report->path)))
		return true;
	/* What nobody declared is on the proxy's own command line. */
	if (!f->socket.declared)
		memcpy(f->socket.path, report->path, sizeof(report->path));
	f->socket.reported = true;
	f->socket.state = report->state;
	f->socket.error = report->error;
	return true;
}
