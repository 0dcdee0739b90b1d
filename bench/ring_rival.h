/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_rival.h - the ways between two processes that others take
 *
 * They carry messages of the size of ours and do nothing with them.
 */
#ifndef BENCH_RING_RIVAL_H
#define BENCH_RING_RIVAL_H

#include "bench/ring_rig.h"

/* One line with question and answer; two plain rte_rings; the same with a
 * request ring that many producers may share. */
extern const struct ring_way ring_line, ring_two, ring_mp;
/* Blocking: a Unix stream socket, and a line with an eventfd each way. */
extern const struct ring_way ring_socket, ring_eventfd;
/* Plain rte_ring calls, with the elements and sizes of ours. */
extern const struct ring_way ring_posted_plain, ring_irq_plain;

int ring_rival_open(struct ring_rival **out);
void ring_rival_close(struct ring_rival *v);

#endif
