/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service.h - the registry: which machines, functions and sockets there are
 *
 * What the operator asked for, remembered in his words so that it can be
 * written back, joined to the objects that do it (transport/machine) and to
 * the loop that runs them.  A registry without loops does everything but run:
 * that is how a configuration is checked.
 *
 * Limits    SERVICE_MAX_MACHINES; 256 functions a bus, 256 buses a machine
 * Threads   the control thread.  A running machine is touched only inside
 *           service_run()
 * Memory    what is created here is freed here; names are copied
 * Errors    negative errno with a sentence in @e; nothing was changed then
 */
#ifndef APPS_PCIRINGD_SERVICE_H
#define APPS_PCIRINGD_SERVICE_H

#include <jansson.h>

#include "apps/pciringd/error.h"
#include "apps/pciringd/limits.h"
#include "apps/pciringd/loop.h"
#include "apps/pciringd/peer.h"

#define SERVICE_MAX_MACHINES 1024

struct attachment;
struct watcher;
struct service;

/* Where a proxy is to listen for a function's VMM. */
struct service_socket {
	char path[MSG_PATH_MAX]; /* empty: there is none */
	bool declared;		 /* here; or else on the proxy's command line */
	bool reported;		 /* a proxy has said the following */
	uint16_t state;		 /* enum msg_socket_state */
	int32_t error;		 /* negative errno */
};

/* Where the operator wants a queue to be run. */
struct service_place {
	json_int_t queue; /* -1: all */
	json_int_t loop;
};

struct service_function {
	uint16_t bdf;
	struct function *function; /* borrowed: the machine's */
	char *options; /* owned: JSON object of strings; NULL: none */
	struct service_socket socket;
	struct service_place *places; /* owned: as they were said */
	unsigned int nr_places;
	struct service_function *next, **from; /* by address */
};

struct service_bus {
	uint8_t number;
	uint8_t parent, device; /* where its bridge is; bus 0 has none */
	struct service_function *function[PCI_ROOT_FUNCS];
	struct service_bus *next;
};

struct service_machine {
	struct service *service; /* borrowed */
	struct machine *machine; /* owned */
	struct loop *loop;	 /* borrowed; NULL: nothing runs it */
	int wanted_loop;	 /* as the operator said, or -1 */
	struct service_bus bus0;
	struct service_bus *bus[256]; /* by number; [0] is bus0 */
	struct service_bus *buses; /* owned: the others, as they were created */
	struct service_function *functions;
	struct gpa_files files;		/* guest memory, of all attachments */
	struct attachment *attachments; /* borrowed: attach_server's */
	struct watcher *watcher;	/* borrowed: attach_server's; or NULL */
	unsigned int nr_attachments, nr_lanes;
	uint64_t links_broken[CHANNEL_NR_FAULTS]; /* by why; 0: by any */
	struct service_machine *next;
};

/* What happened at the attach socket. */
struct service_attach_stats {
	uint64_t accepted;
	uint64_t refused; /* other users, or too many connections */
	uint64_t links_broken[CHANNEL_NR_FAULTS]; /* by why; 0: by any */
	uint64_t hellos; /* that led to an attachment or a watcher */
	uint64_t broken; /* ended for packets that make no sense */
	uint64_t slow;	 /* ended for not reading their answers */
	uint64_t silent; /* ended for never saying hello */
};

/* What others need to know of changes; each may be NULL. */
struct service_ops {
	/* @f has got a socket, or is about to lose it. */
	void (*socket_added)(void *ctx, struct service_machine *m,
			     struct service_function *f);
	void (*socket_removed)(void *ctx, struct service_machine *m,
			       struct service_function *f);
	/* The function @bdf of @m has gone. */
	void (*function_removed)(void *ctx, struct service_machine *m,
				 uint16_t bdf);
	/* End all attachments and the watcher of @m. */
	void (*end_attachments)(void *ctx, struct service_machine *m);
};

struct service {
	const struct service_ops *ops;
	void *ctx;
	const char *dir; /* borrowed; for hints to the operator */
	struct service_machine *machines; /* in the order of their creation */
	unsigned int nr_machines;
	struct loop **loop; /* borrowed: nr_loops, or NULL in a dry run */
	unsigned int nr_loops;
	struct service_limits limits;
	struct service_budget budget;
	struct peer_access access; /* to the attach socket */
	struct service_attach_stats attach;
	uint64_t started_ms;
};

/* @loop NULL: a dry run, in which @nr_loops loops could be named. */
void service_init(struct service *s, struct loop **loop, unsigned int nr_loops);
void service_fini(struct service *s);

/* Run @fn on the loop of @m, or here if none runs it; done on return. */
void service_run(struct service_machine *m, loop_fn *fn, void *arg);

/* NULL if there is none. */
struct service_machine *service_find(struct service *s, const char *name);
/* The same, with an error that names @param: -ENOENT. */
int service_need(struct service *s, const char *name, const char *param,
		 struct service_machine **m, struct service_error *e);
struct service_function *service_function(struct service_machine *m,
					  uint16_t bdf);

/* The options of @f: object of strings, a new reference. */
json_t *service_function_options(const struct service_function *f);

/* -EEXIST, -EINVAL bad name or loop, -ENOSPC.  @loop -1: the least loaded. */
int service_machine_create(struct service *s, const char *name, int loop,
			   struct service_error *e);
/* -ENOENT, -EBUSY while a VMM is attached, unless @force. */
int service_machine_destroy(struct service *s, const char *name, bool force,
			    struct service_error *e);

/* Bus @number, 1 to 255, behind a bridge that is device @device of bus @parent;
 * it stays as long as the machine.  -EEXIST, -ENOENT no such machine, -EINVAL
 * no such number, parent or device. */
int service_bus_create(struct service *s, const char *machine,
		       json_int_t number, json_int_t parent, json_int_t device,
		       struct service_error *e);

/* @options: object of key to string, number or boolean, or NULL.  -EEXIST,
 * -ENOENT no such machine, -EINVAL. */
int service_function_create(struct service *s, const char *machine,
			    const char *address, const char *device,
			    json_t *options, struct service_error *e);
/* -EBUSY while a VMM has it by itself. */
int service_function_destroy(struct service *s, const char *machine,
			     const char *address, struct service_error *e);

/* Queue @queue, or all if it is -1, is run by loop @loop from now on, which may
 * be the machine's own.  -EINVAL, -ENOENT. */
int service_function_place(struct service *s, const char *machine,
			   const char *address, json_int_t queue,
			   json_int_t loop, struct service_error *e);

/* A disk has @size bytes from now on, or 0: what its file has, and tells its
 * driver.  As blk_resize(), -ENOENT. */
int service_function_resize(struct service *s, const char *machine,
			    const char *address, json_int_t size,
			    struct service_error *e);

/* For service.c: @m is about to go, its machine has gone. */
void service_functions_free(struct service_machine *m);

/* Declare that a proxy shall serve a function at @path, absolute and unused.
 * -EEXIST. */
int service_socket_create(struct service *s, const char *machine,
			  const char *address, const char *path,
			  struct service_error *e);
int service_socket_destroy(struct service *s, const char *machine,
			   const char *address, struct service_error *e);

#endif
