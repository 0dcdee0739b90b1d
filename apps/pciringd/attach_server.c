/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a connection is a small state machine by what it holds: nothing (not
 * yet greeted), an attachment, or a watcher.  A request is carried out and
 * answered in place; the socket does not block, and its own buffer is all the
 * queue there is.
 */
#include "apps/pciringd/attach_server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/pciringd/attachment.h"
#include "apps/pciringd/peer.h"
#include "apps/pciringd/watcher.h"
#include "ring/attach.h"
#include "ring/discard.h"
#include "ring/log.h"

struct attach_conn {
	struct attach_server *server;
	struct control_source source; /* owns its descriptor */
	uint64_t born_ms;
	bool stranger; /* may not attach */
	struct attachment *attachment;
	struct watcher *watcher;
	struct attach_conn *next;
};

static void conn_close(struct attach_conn *c)
{
	struct attach_conn **p = &c->server->conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->server->nr_conns--;
	c->server->nr_strangers -= c->stranger;
	control_remove(c->server->control, &c->source);
	if (c->attachment) {
		log_limited(LOG_INFO, "%s: \"%s\" (pid %d) detached",
			    c->attachment->machine->machine->name,
			    c->attachment->name, c->attachment->pid);
		attachment_destroy(c->attachment);
	}
	if (c->watcher)
		watcher_destroy(c->watcher);
	/* It ends for the client now, whatever lies in it unread. */
	shutdown(c->source.fd, SHUT_RDWR);
	fd_discard(c->source.fd);
	free(c);
}

/* ---- Answers: false means that the connection is to end -------------------- */

static bool conn_send(struct attach_conn *c, const void *msg, size_t length,
		      const int *fds, unsigned int n)
{
	int err = attach_send(c->source.fd, msg, length, fds, n);

	if (err == -EAGAIN) {
		c->server->service->attach.slow++;
		log_limited(LOG_WARN, "attach: pid %d does not read answers",
			    peer_pid(c->source.fd));
	}
	return !err;
}

static struct msg_header answer_to(const struct msg_header *request, int err)
{
	return (struct msg_header){
		.magic = MSG_MAGIC,
		.type = request->type,
		.reply = 1,
		.id = request->id,
		.error = err,
	};
}

static bool conn_answer(struct attach_conn *c, const struct msg_header *request,
			int err)
{
	struct msg_header h = answer_to(request, err);

	return conn_send(c, &h, sizeof(h), NULL, 0);
}

/* ---- Hello ------------------------------------------------------------------ */

static int hello_attach(struct attach_conn *c, struct service_machine *m,
			const struct msg_hello *hello,
			struct msg_hello_reply *reply, int fds[MSG_NR_FDS])
{
	const struct attachment_options opt = {
		.control = c->server->control,
		.broken_fd = c->server->broken.fd,
		.pid = peer_pid(c->source.fd),
	};
	struct channel *ch;
	int err = attachment_create(m, hello, &opt, &c->attachment);

	if (err)
		return err;
	ch = &c->attachment->channel;
	reply->geo = ch->geo;
	if (ch->mailbox)
		reply->features |= MSG_FEATURE_MAILBOX;
	if (hello->features & MSG_FEATURE_POLLS &&
	    loop_idle_us(m->loop) == LOOP_IDLE_OFF)
		reply->features |= MSG_FEATURE_POLLS;
	fds[MSG_FD_SEGMENT] = ch->fd;
	fds[MSG_FD_KICK] = ch->kick_fd;
	log_limited(LOG_INFO, "%s: \"%s\" (pid %d) attached", m->machine->name,
		    c->attachment->name, c->attachment->pid);
	return 0;
}

static int hello_enter(struct attach_conn *c, const struct msg_hello *hello,
		       struct msg_hello_reply *reply, int fds[MSG_NR_FDS])
{
	struct service_machine *m;

	if (c->stranger)
		return -EACCES;
	if (hello->major != PCIRING_VERSION_MAJOR)
		return -EPROTONOSUPPORT;
	if (!memchr(hello->machine, '\0', sizeof(hello->machine)))
		return -EINVAL;
	m = service_find(c->server->service, hello->machine);
	if (!m)
		return -ENOENT;
	reply->major = PCIRING_VERSION_MAJOR;
	reply->minor = hello->minor < PCIRING_VERSION_MINOR
			       ? hello->minor
			       : PCIRING_VERSION_MINOR;
	reply->epoch = m->machine->epoch;
	memcpy(reply->uuid, m->machine->uuid, sizeof(reply->uuid));
	if (hello->scope == MSG_SCOPE_WATCH)
		return watcher_create(m, hello, c->source.fd,
				      peer_pid(c->source.fd), &c->watcher);
	return hello_attach(c, m, hello, reply, fds);
}

static bool conn_hello(struct attach_conn *c, struct msg_hello *hello)
{
	struct msg_hello_reply reply = { .h = answer_to(&hello->h, 0) };
	int fds[MSG_NR_FDS];
	int err;

	if (hello->minor < MSG_IRQCHIP_MINOR)
		hello->irqchip = PCIRING_IRQCHIP_NONE;
	if (hello->minor < MSG_FEATURES_MINOR)
		hello->features = 0;
	err = hello_enter(c, hello, &reply, fds);
	if (err) {
		log_limited(LOG_INFO, "attach: pid %d refused: %s",
			    peer_pid(c->source.fd), strerror(-err));
		conn_answer(c, &hello->h, err);
		return false;
	}
	c->server->service->attach.hellos++;
	if (!conn_send(c, &reply, sizeof(reply), fds,
		       c->attachment ? MSG_NR_FDS : 0))
		return false;
	return !c->watcher || !watcher_tell_all(c->watcher);
}

/* ---- Requests of an attachment ------------------------------------------------ */

static bool conn_info(struct attach_conn *c, const struct msg_function *request)
{
	struct msg_function_info reply = { .h = answer_to(&request->h, 0) };
	int err =
		attachment_info(c->attachment, request->function, &reply.info);

	if (err)
		return conn_answer(c, &request->h, err);
	return conn_send(c, &reply, sizeof(reply), NULL, 0);
}

static bool conn_notify_page(struct attach_conn *c,
			     const struct msg_function *request)
{
	struct msg_notify_page reply = { .h = answer_to(&request->h, 0) };
	bool sent;
	int fd = -1;
	int err = attachment_notify_page(c->attachment, request->function,
					 &reply, &fd);

	if (err)
		return conn_answer(c, &request->h, err);
	sent = conn_send(c, &reply, sizeof(reply), &fd, 1);
	close(fd);
	return sent;
}

static bool conn_kick(struct attach_conn *c, struct attach_packet *pkt)
{
	struct msg_kick reply = { .h = answer_to(&pkt->m.h, 0) };
	int err = -EINVAL;

	if (pkt->nr_fds <= 1)
		err = attachment_kick_bind(c->attachment, &pkt->m.kick,
					   pkt->nr_fds ? pkt->fds[0] : -1,
					   &reply);
	if (!err)
		pkt->nr_fds = 0; /* the doorbell's now */
	attach_packet_fini(pkt);
	if (err)
		return conn_answer(c, &pkt->m.h, err);
	return conn_send(c, &reply, sizeof(reply), NULL, 0);
}

static int map(struct attach_conn *c, const struct attach_packet *pkt)
{
	if (pkt->nr_fds > 1)
		return -EINVAL;
	return attachment_dma_map(c->attachment, &pkt->m.dma,
				  pkt->nr_fds ? pkt->fds[0] : -1);
}

static int bind_vectors(struct attach_conn *c, struct attach_packet *pkt)
{
	int err = attachment_irq_bind(c->attachment, &pkt->m.irq, pkt->fds,
				      pkt->nr_fds);

	if (!err)
		pkt->nr_fds = 0; /* the function's sink owns them now */
	return err;
}

static int bind_line(struct attach_conn *c, struct attach_packet *pkt)
{
	int err = attachment_line_bind(c->attachment, &pkt->m.line, pkt->fds,
				       pkt->nr_fds);

	if (!err)
		pkt->nr_fds = 0; /* they are the line's and its watch's now */
	return err;
}

static bool conn_request(struct attach_conn *c, struct attach_packet *pkt)
{
	const union msg_packet *m = &pkt->m;
	struct attachment *a = c->attachment;
	int err;

	switch (m->h.type) {
	case MSG_DMA_MAP:
		err = map(c, pkt);
		break;
	case MSG_DMA_UNMAP:
		err = attachment_dma_unmap(a, &m->dma);
		break;
	case MSG_FUNCTION_INFO:
		return conn_info(c, &m->function);
	case MSG_NOTIFY_PAGE:
		return conn_notify_page(c, &m->function);
	case MSG_KICK_BIND:
		return conn_kick(c, pkt);
	case MSG_FUNCTION_RESET:
		err = attachment_reset(a, m->function.function);
		break;
	case MSG_IRQ_BIND:
		err = bind_vectors(c, pkt);
		break;
	case MSG_IRQ_CONTROL:
		err = attachment_irq_control(a, &m->irq);
		break;
	case MSG_LINE_BIND:
		err = bind_line(c, pkt);
		break;
	case MSG_LINE_CONTROL:
		err = attachment_line_control(a, &m->line);
		break;
	default:
		/* Of a later minor version, perhaps. */
		err = -EOPNOTSUPP;
		break;
	}
	/* Whoever has his answer may count our descriptors. */
	attach_packet_fini(pkt);
	return conn_answer(c, &m->h, err);
}

/* ---- Packets -------------------------------------------------------------------- */

static bool conn_broken(struct attach_conn *c, const char *why)
{
	c->server->service->attach.broken++;
	log_limited(LOG_WARN, "attach: pid %d: %s", peer_pid(c->source.fd),
		    why);
	return false;
}

static bool conn_packet(struct attach_conn *c, struct attach_packet *pkt)
{
	const struct msg_header *h = &pkt->m.h;

	if (h->reply)
		return conn_broken(c, "an answer that nobody asked for");
	if (!c->attachment && !c->watcher)
		return h->type == MSG_HELLO ? conn_hello(c, &pkt->m.hello)
					    : conn_broken(c, "no hello");
	if (h->type == MSG_HELLO)
		return conn_broken(c, "a second hello");
	if (c->attachment)
		return conn_request(c, pkt);
	if (h->type != MSG_SOCKET_STATE ||
	    !watcher_report(c->watcher, &pkt->m.socket))
		return conn_broken(c, "a proxy's report makes no sense");
	return true;
}

static bool conn_read(struct attach_conn *c)
{
	struct attach_packet pkt;
	bool goes_on = true;
	int n;

	for (int i = 0; goes_on && i < ATTACH_BATCH; i++) {
		n = attach_recv(c->source.fd, &pkt);
		if (n == -EAGAIN)
			return true;
		if (n == -EPROTO)
			return conn_broken(c, "a packet makes no sense");
		if (n <= 0)
			return false;
		goes_on = conn_packet(c, &pkt);
		attach_packet_fini(&pkt);
	}
	return goes_on;
}

static void conn_ready(struct control_source *s, uint32_t events)
{
	struct attach_conn *c = container_of(s, struct attach_conn, source);

	(void)events;
	if (!conn_read(c))
		conn_close(c);
}

/* ---- The listening socket --------------------------------------------------------- */

static int conn_open(struct attach_server *s, int fd, bool stranger)
{
	struct attach_conn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->server = s;
	c->born_ms = control_now_ms();
	c->source.fd = fd;
	c->source.events = EPOLLIN;
	c->source.ready = conn_ready;
	err = control_add(s->control, &c->source);
	if (err) {
		free(c);
		return err;
	}
	c->stranger = stranger;
	c->next = s->conns;
	s->conns = c;
	s->nr_conns++;
	s->nr_strangers += stranger;
	return 0;
}

/* Room for one more.  Whoever connects and stays silent must not keep others
 * out: at the limit the one that has been silent longest goes. */
static bool make_room(struct attach_server *s, int fd)
{
	struct attach_conn *oldest = NULL;

	if (s->nr_conns < ATTACH_MAX_CONNS && fd < s->service->budget.most_conn)
		return true;
	/* The newest is first. */
	for (struct attach_conn *c = s->conns; c; c = c->next)
		if (!c->attachment && !c->watcher)
			oldest = c;
	if (!oldest)
		return false;
	s->service->attach.silent++;
	conn_close(oldest);
	return true;
}

/* Whoever waits keeps the socket ready: without descriptors to spare it is
 * looked at again with the next tick only. */
static void accept_failed(struct attach_server *s, int err)
{
	if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
		return;
	log_limited(LOG_WARN, "attach: cannot accept: %s", strerror(err));
	control_events(s->control, &s->listen, 0);
}

static void listen_ready(struct control_source *source, uint32_t events)
{
	struct attach_server *s =
		container_of(source, struct attach_server, listen);
	bool stranger;
	int fd;

	(void)events;
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		accept_failed(s, errno);
		return;
	}
	stranger = !peer_may_enter(fd, &s->service->access);
	if (stranger) {
		s->service->attach.refused++;
		log_limited(LOG_WARN,
			    "attach: user %d (pid %d) was turned away "
			    "(--allow-uid or --allow-gid lets him in)",
			    peer_uid(fd), peer_pid(fd));
		/* One by one they are told why; a crowd of them is not. */
		if (s->nr_strangers < ATTACH_STRANGERS && make_room(s, fd) &&
		    !conn_open(s, fd, true))
			return;
	} else if (!make_room(s, fd)) {
		s->service->attach.refused++;
		log_limited(LOG_WARN,
			    "attach: refused: %u connections are all there can "
			    "be (%u, and what ulimit -n allows)",
			    s->nr_conns, ATTACH_MAX_CONNS);
	} else if (!conn_open(s, fd, false)) {
		s->service->attach.accepted++;
		return;
	} else {
		s->service->attach.refused++;
	}
	close(fd);
}

/* ---- Links that broke -------------------------------------------------------------- */

static void links_broke(struct control_source *source, uint32_t events)
{
	struct attach_server *s =
		container_of(source, struct attach_server, broken);
	struct attach_conn *c, *next;
	uint64_t count;

	(void)events;
	/* Read first: a link that breaks from now on signals again. */
	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	for (c = s->conns; c; c = next) {
		next = c->next;
		if (c->attachment && attachment_broken(c->attachment))
			conn_close(c);
	}
}

static void tick(struct control_tick *t)
{
	struct attach_server *s = container_of(t, struct attach_server, tick);
	uint64_t now = control_now_ms();
	struct attach_conn *c, *next;

	control_events(s->control, &s->listen, EPOLLIN);
	for (c = s->conns; c; c = next) {
		next = c->next;
		if (c->attachment || c->watcher ||
		    now - c->born_ms < ATTACH_HELLO_MS)
			continue;
		s->service->attach.silent++;
		conn_close(c);
	}
}

int attach_server_init(struct attach_server *s, struct control *control,
		       struct service *service, int fd)
{
	int err;

	*s = (struct attach_server){
		.control = control,
		.service = service,
		.listen = { .fd = fd,
			    .events = EPOLLIN,
			    .ready = listen_ready },
		.broken = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			    .events = EPOLLIN,
			    .ready = links_broke },
		.tick = { .tick = tick },
	};
	if (s->broken.fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK)) {
		err = -errno;
		goto close_broken;
	}
	err = control_add(control, &s->broken);
	if (err)
		goto close_broken;
	err = control_add(control, &s->listen);
	if (err)
		goto remove_broken;
	control_add_tick(control, &s->tick);
	return 0;

remove_broken:
	control_remove(control, &s->broken);
close_broken:
	if (s->broken.fd >= 0)
		close(s->broken.fd);
	return err;
}

void attach_server_fini(struct attach_server *s)
{
	while (s->conns)
		conn_close(s->conns);
	control_remove(s->control, &s->listen);
	fd_discard(s->listen.fd);
	control_remove(s->control, &s->broken);
	close(s->broken.fd);
}

/* ---- What the service tells us ------------------------------------------------------ */

static void tell(struct attach_server *s, struct service_machine *m,
		 enum msg_type type, const struct service_function *f)
{
	struct attach_conn *c = s->conns;

	if (!m->watcher || !watcher_tell(m->watcher, type, f))
		return;
	while (c->watcher != m->watcher)
		c = c->next;
	s->service->attach.slow++;
	conn_close(c);
}

static void socket_added(void *ctx, struct service_machine *m,
			 struct service_function *f)
{
	tell(ctx, m, MSG_SOCKET_ADD, f);
}

static void socket_removed(void *ctx, struct service_machine *m,
			   struct service_function *f)
{
	tell(ctx, m, MSG_SOCKET_DEL, f);
}

static void function_removed(void *ctx, struct service_machine *m, uint16_t bdf)
{
	(void)ctx;
	for (struct attachment *a = m->attachments; a; a = a->next)
		attachment_function_gone(a, bdf);
}

static void end_attachments(void *ctx, struct service_machine *m)
{
	struct attach_server *s = ctx;
	struct attach_conn *c, *next;

	for (c = s->conns; c; c = next) {
		next = c->next;
		if ((c->attachment && c->attachment->machine == m) ||
		    (c->watcher && c->watcher->machine == m))
			conn_close(c);
	}
}

const struct service_ops attach_server_service_ops = {
	.socket_added = socket_added,
	.socket_removed = socket_removed,
	.function_removed = function_removed,
	.end_attachments = end_attachments,
};
