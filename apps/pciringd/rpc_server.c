/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a client has one buffer for what it sent and one for the answer to be
 * sent.  While an answer is pending its socket is watched for room only, so
 * nothing more is read.  Each event does a bounded piece: one read, one line.
 */
#include "apps/pciringd/rpc_server.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/pciringd/peer.h"
#include "ring/discard.h"
#include "ring/log.h"

#define READ_CHUNK 16384

struct rpc_client {
	struct rpc_server *server;
	struct control_source source;
	char *in;
	size_t have, room;
	size_t scanned; /* bytes of @in known to hold no newline */
	char *out;
	size_t out_length, out_sent;
	bool closing; /* after the answer */
	struct rpc_client *next;
};

static void client_close(struct rpc_client *c)
{
	struct rpc_client **p = &c->server->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->server->nr_clients--;
	control_remove(c->server->control, &c->source);
	shutdown(c->source.fd, SHUT_RDWR);
	fd_discard(c->source.fd);
	free(c->in);
	free(c->out);
	free(c);
}

/* False: the client is gone. */
static bool client_send(struct rpc_client *c)
{
	ssize_t n;

	while (c->out_sent < c->out_length) {
		n = send(c->source.fd, c->out + c->out_sent,
			 c->out_length - c->out_sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return false;
		c->out_sent += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	return !c->closing;
}

static bool client_answer(struct rpc_client *c, char *answer)
{
	if (!answer)
		return true;
	c->out = answer;
	c->out_length = strlen(answer);
	c->out_sent = 0;
	return client_send(c);
}

static char *find_line_end(struct rpc_client *c)
{
	char *end;

	if (c->scanned == c->have)
		return NULL;
	end = memchr(c->in + c->scanned, '\n', c->have - c->scanned);
	if (!end)
		c->scanned = c->have;
	return end;
}

static bool is_blank(const char *s, size_t n)
{
	return strspn(s, " \t\r") >= n;
}

/* Handle the line that ends at @end.  False: the client is gone. */
static bool client_line(struct rpc_client *c, char *end)
{
	size_t n = (size_t)(end - c->in);
	char *answer = NULL;

	*end = '\0';
	if (!is_blank(c->in, n))
		answer = rpc_line(&c->server->rpc, c->in, n);
	c->have -= n + 1;
	memmove(c->in, end + 1, c->have);
	c->scanned = 0;
	return client_answer(c, answer);
}

static bool client_grow(struct rpc_client *c)
{
	size_t room = c->room ? 2 * c->room : READ_CHUNK;
	char *in;

	if (c->have < c->room)
		return true;
	in = realloc(c->in, room);
	if (!in)
		return false;
	c->in = in;
	c->room = room;
	return true;
}

static bool client_read(struct rpc_client *c)
{
	ssize_t n;

	if (c->have >= RPC_MAX_LINE) {
		c->closing = true;
		return client_answer(c,
				     rpc_refusal(RPC_INVALID_REQUEST,
						 "a line has at most 1 MiB"));
	}
	if (!client_grow(c))
		return false;
	n = recv_bytes(c->source.fd, c->in + c->have, c->room - c->have);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->have += (size_t)n;
	return n > 0;
}

/* False: the client is gone. */
static bool client_step(struct rpc_client *c)
{
	char *end;

	if (c->out)
		return client_send(c);
	end = find_line_end(c);
	if (!end) {
		if (!client_read(c))
			return false;
		end = c->out ? NULL : find_line_end(c);
	}
	return !end || client_line(c, end);
}

static void client_ready(struct control_source *s, uint32_t events)
{
	struct rpc_client *c = container_of(s, struct rpc_client, source);

	(void)events;
	if (!client_step(c)) {
		client_close(c);
		return;
	}
	/* A line that is here already is looked at when there is room for its
	 * answer, which is now; but first it is the others' turn. */
	control_events(c->server->control, &c->source,
		       c->out || find_line_end(c) ? EPOLLOUT : EPOLLIN);
}

/* ---- The listening socket ------------------------------------------------- */

static int client_open(struct rpc_server *s, int fd)
{
	struct rpc_client *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->server = s;
	c->source.fd = fd;
	c->source.events = EPOLLIN;
	c->source.ready = client_ready;
	err = control_add(s->control, &c->source);
	if (err) {
		free(c);
		return err;
	}
	c->next = s->clients;
	s->clients = c;
	s->nr_clients++;
	return 0;
}

/* Whoever waits keeps the socket ready: without descriptors to spare it is
 * looked at again with the next tick only. */
static void accept_failed(struct rpc_server *s, int err)
{
	if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
		return;
	log_limited(LOG_WARN, "rpc: cannot accept: %s", strerror(err));
	control_events(s->control, &s->listen, 0);
}

static void listen_ready(struct control_source *source, uint32_t events)
{
	struct rpc_server *s = container_of(source, struct rpc_server, listen);
	int fd;

	(void)events;
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		accept_failed(s, errno);
		return;
	}
	if (!peer_may_enter(fd, NULL)) {
		log_limited(LOG_WARN, "rpc: another user was turned away");
	} else if (s->nr_clients >= RPC_MAX_CLIENTS) {
		log_limited(LOG_WARN, "rpc: more than %u clients",
			    RPC_MAX_CLIENTS);
	} else if (!client_open(s, fd)) {
		return;
	}
	s->refused++;
	close(fd);
}

static void tick(struct control_tick *t)
{
	struct rpc_server *s = container_of(t, struct rpc_server, tick);

	control_events(s->control, &s->listen, EPOLLIN);
}

int rpc_server_init(struct rpc_server *s, struct control *control, int fd,
		    const struct rpc_method *methods, void *ctx)
{
	int err;

	*s = (struct rpc_server){
		.control = control,
		.rpc = { .methods = methods, .ctx = ctx },
		.listen = { .fd = fd,
			    .events = EPOLLIN,
			    .ready = listen_ready },
		.tick = { .tick = tick },
	};
	err = control_add(control, &s->listen);
	if (!err)
		control_add_tick(control, &s->tick);
	return err;
}

void rpc_server_fini(struct rpc_server *s)
{
	struct rpc_client *c, *next;

	for (c = s->clients; c; c = next) {
		next = c->next;
		client_close(c);
	}
	control_remove(s->control, &s->listen);
	fd_discard(s->listen.fd);
}

int rpc_listen(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Whoever calls holds the directory's lock: what is there is dead. */
	unlink(path);
	if (fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    chmod(path, 0600) || listen(fd, 64)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
