/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service_rig.h - a real service with one machine, and what it holds
 *
 * The machine is "demo" with an rng at 00:01.0.  One service at a time: the
 * tests' setup and teardown start and stop it.
 */
#ifndef TESTS_FLOW_SERVICE_RIG_H
#define TESTS_FLOW_SERVICE_RIG_H

#include "ring/attach.h"
#include "ring/pciring.h"
#include "tests/flow/procs.h"

#define MACHINE	 "{\"name\":\"demo\"}"
#define BDF	 0x0008
#define RAM_GPA	 0x100000ull
#define RAM_SIZE 0x100000ull

extern struct procs p;

/* cmocka's group setup and teardown. */
int service_start(void **state);
int service_stop(void **state);

/* Attach to the machine or its function; an error fails the test in _ok. */
int attach(uint32_t scope, uint32_t interrupts, struct pciring **out);
struct pciring *attach_ok(uint32_t scope, uint32_t interrupts);
/* To the machine, interrupts native. */
int attach_irqchip(uint32_t irqchip, struct pciring **out);

/* RAM_SIZE of memory; the descriptor. */
int make_ram(uint8_t **mem);

/* The vendor ID of the function, by lane 0. */
uint32_t vendor(struct pciring *link);

json_int_t counter(const json_t *object, const char *key);

/* What the service's process holds: descriptors, and mappings of memfds. */
struct held {
	unsigned int fds, maps;
};
struct held held(void);
/* It learns of a client's end a little later: wait until nothing changes any
 * more; wait until it is that again. */
struct held held_at_rest(void);
void holds_again(struct held before);

/* A program of this build with @args; what it says on both its outputs, and its
 * exit status.  service_ctl() is pciringctl of this service. */
int service_program(char *out, size_t room, const char *program,
		    const char *args);
int service_ctl(char *out, size_t room, const char *args);

/* ---- Connections of no library ---------------------------------------------- */

/* Connected to the attach socket, or the RPC socket; reads end in time. */
int raw_connect(void);
int rpc_connect(void);

/* A hello for the machine, or its function; id 5. */
struct msg_hello hello(uint16_t scope);

/* Sent as it is, where attach_send() would be too decent. */
void send_bytes(int fd, const void *bytes, size_t n);
/* The connection has ended, or does; close it. */
void expect_end(int fd);

/* Of service.info's "attach". */
json_int_t attach_counter(const char *key);

/* A limit of service.info, or what is had of it. */
json_int_t limit_counter(const char *key);

#endif
