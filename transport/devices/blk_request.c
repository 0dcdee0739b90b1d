/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: readable spans come before writable ones, so one array of pieces with a
 * boundary keeps them all without a look at the header, which tells later on
 * which side the data is.  The header is then taken off the front, the status
 * byte off the end.
 *
 * A transfer is some whole pieces and perhaps a part of one more: that one is
 * shortened in place, and what was cut off waits in r->rest.
 *
 * A piece's distance from the guest's address is the same wherever in the piece
 * one looks, so it outlives that the piece is shortened from either end.
 */
#include "transport/devices/blk_request.h"

#include <stdlib.h>

#define HEADER_BYTES   16u
#define CACHE_LINE     64u
#define PREFETCH_BYTES 512u

struct blk_request *blk_request_new(struct blk_queue *queue)
{
	struct blk_request *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	r->queue = queue;
	r->range = NULL;
	r->iov = r->few;
	r->shift = r->few_shift;
	r->room = BLK_FEW_SPANS;
	return r;
}

void blk_request_free(struct blk_request *r)
{
	if (r->iov != r->few)
		free(r->iov);
	free(r->range);
	free(r);
}

/* One allocation: the pieces, then their shifts. */
static bool make_room(struct blk_request *r)
{
	const unsigned int room = 4 * r->room;
	struct iovec *iov = malloc(room * (sizeof(*iov) + sizeof(*r->shift)));
	uint64_t *shift;

	if (!iov)
		return false;
	shift = (uint64_t *)(iov + room);
	memcpy(iov, r->iov, r->room * sizeof(*iov));
	memcpy(shift, r->shift, r->room * sizeof(*shift));
	if (r->iov != r->few)
		free(r->iov);
	r->iov = iov;
	r->shift = shift;
	r->room = room;
	return true;
}

static void keep(struct blk_request *r, const struct vq_span *s)
{
	if (unlikely(r->nr == r->room) && !make_room(r)) {
		r->no_memory = true;
		return;
	}
	r->iov[r->nr] =
		(struct iovec){ .iov_base = s->host, .iov_len = s->len };
	r->shift[r->nr++] = s->gpa - (uintptr_t)s->host;
	if (s->write)
		return;
	r->readable = r->nr;
	r->readable_bytes += s->len;
}

static void forget(struct blk_request *r)
{
	r->lost = false;
	r->no_memory = false;
	r->nr = 0;
	r->readable = 0;
	r->readable_bytes = 0;
	r->writable_bytes = 0;
	r->spans = 0;
	r->type = BLK_T_IN;
	r->data = 0;
	r->done = 0;
	r->at = 0;
	r->rest.iov_len = 0;
	r->nr_ranges = 0;
}

enum blk_walked blk_request_walk(struct blk_request *r)
{
	struct vq_span span;
	int n;

	forget(r);
	while ((n = vq_chain_next(&r->chain, &span)) > 0) {
		if (++r->spans > BLK_MAX_SPANS)
			return BLK_BAD;
		keep(r, &span);
		if (!span.write)
			continue;
		r->status = (uint8_t *)span.host + span.len - 1;
		r->status_gpa = span.gpa + span.len - 1;
		r->writable_bytes += span.len;
	}
	if (n < 0)
		return BLK_BROKE;
	if (!r->writable_bytes)
		return BLK_BAD;
	r->stage = BLK_WALKED;
	return BLK_WELL;
}

/* ---- Found again ---------------------------------------------------------- */

/* Only the first @len bytes of piece @i are where they were found. */
static bool split_piece(struct blk_request *r, unsigned int i, uint64_t len)
{
	const unsigned int behind = r->nr - i;

	if (r->nr >= BLK_MAX_SPANS || (r->nr == r->room && !make_room(r)))
		return false;
	memmove(&r->iov[i + 1], &r->iov[i], behind * sizeof(r->iov[0]));
	memmove(&r->shift[i + 1], &r->shift[i], behind * sizeof(r->shift[0]));
	r->nr++;
	r->readable += i < r->readable;
	r->iov[i].iov_len = len;
	r->iov[i + 1].iov_base = (uint8_t *)r->iov[i + 1].iov_base + len;
	r->iov[i + 1].iov_len -= len;
	return true;
}

static enum blk_walked find_piece(struct blk_request *r, unsigned int i)
{
	const uint64_t gpa = (uintptr_t)r->iov[i].iov_base + r->shift[i];
	const uint64_t len = r->iov[i].iov_len;
	uint64_t n;
	void *host;

	if (!len)
		return BLK_WELL;
	n = vq_span_again(r->chain.vq, gpa, len, i >= r->readable, &host);
	if (!n)
		return BLK_BROKE;
	if (n < len && !split_piece(r, i, n))
		return BLK_BAD;
	r->iov[i].iov_base = host;
	r->shift[i] = gpa - (uintptr_t)host;
	return BLK_WELL;
}

enum blk_walked blk_request_find(struct blk_request *r)
{
	enum blk_walked found = BLK_WELL;
	unsigned int i;
	void *status;

	if (!vq_span_again(r->chain.vq, r->status_gpa, 1, true, &status))
		return BLK_BROKE;
	r->status = status;
	r->lost = false;
	for (i = r->at; i < r->nr && found == BLK_WELL; i++)
		found = find_piece(r, i);
	return found;
}

/* ---- Transfers ------------------------------------------------------------ */

/* Without it the compiler asks for lines to be shared even if they are to be
 * written, and the write would ask once more. */
#define FOR_WRITING __attribute__((target("prfchw")))

/* Not for a few bytes: those share a line with what is fetched anyway. */
static FOR_WRITING void prefetch_data(const struct iovec *v, bool write)
{
	const char *p = v->iov_base;
	size_t n = v->iov_len < PREFETCH_BYTES ? v->iov_len : PREFETCH_BYTES;
	size_t i;

	for (i = 0; i < n; i += CACHE_LINE)
		if (write)
			__builtin_prefetch(p + i, 1);
		else
			__builtin_prefetch(p + i, 0);
}

static bool share_a_line(const void *a, const void *b)
{
	return (uintptr_t)a / CACHE_LINE == (uintptr_t)b / CACHE_LINE;
}

FOR_WRITING void blk_request_prefetch(const struct blk_request *r)
{
	if (!r->nr)
		return;
	__builtin_prefetch(r->status, 1);
	if (!share_a_line(r->iov[0].iov_base, r->status))
		__builtin_prefetch(r->iov[0].iov_base, 0);
	if (r->nr > 2)
		prefetch_data(&r->iov[1], r->readable < 2);
}

/* Copy from the readable pieces, and take it off them. */
static void take(struct blk_request *r, uint8_t *to, size_t len)
{
	struct iovec *v;
	size_t n;

	while (len) {
		v = &r->iov[r->at];
		n = v->iov_len < len ? v->iov_len : len;
		memcpy(to, v->iov_base, n);
		to += n;
		len -= n;
		v->iov_base = (uint8_t *)v->iov_base + n;
		v->iov_len -= n;
		if (!v->iov_len)
			r->at++;
	}
	/* The compiler may not go back to guest memory for a field. */
	__asm__ volatile("" ::: "memory");
}

static void find_data(struct blk_request *r)
{
	if (blk_type_brings(r->type)) {
		r->data = r->readable_bytes;
		r->nr = r->readable;
		return;
	}
	r->at = r->readable;
	r->data = r->writable_bytes - 1;
	if (!--r->iov[r->nr - 1].iov_len)
		r->nr--;
}

void blk_request_decode(struct blk_request *r)
{
	uint8_t header[HEADER_BYTES];

	r->stage = BLK_DECODED;
	r->bad = r->readable_bytes < HEADER_BYTES || r->no_memory;
	if (unlikely(r->bad))
		return;
	take(r, header, HEADER_BYTES);
	r->readable_bytes -= HEADER_BYTES;
	r->type = (uint32_t)load_le(header, 4);
	r->sector = load_le(header + 8, 8);
	find_data(r);
}

void blk_request_cut(struct blk_request *r, uint64_t most)
{
	unsigned int i = r->at;
	uint64_t left = r->data - r->done;
	struct iovec *v;

	if (left > most)
		left = most;
	r->io.offset = r->sector * BLK_SECTOR + r->done;
	r->io.bytes = left;
	r->io.iov = left ? &r->iov[i] : NULL;
	for (; left; i++) {
		v = &r->iov[i];
		if (v->iov_len > left) {
			r->rest.iov_base = (uint8_t *)v->iov_base + left;
			r->rest.iov_len = v->iov_len - left;
			v->iov_len = left;
		}
		left -= v->iov_len;
	}
	r->io.nr = i - r->at;
}

void blk_request_advance(struct blk_request *r)
{
	r->done += r->io.bytes;
	r->at += r->io.nr;
	if (!r->rest.iov_len)
		return;
	r->iov[--r->at] = r->rest;
	r->rest.iov_len = 0;
}

void blk_request_uncut(struct blk_request *r)
{
	if (!r->rest.iov_len)
		return;
	r->iov[r->at + r->io.nr - 1].iov_len += r->rest.iov_len;
	r->rest.iov_len = 0;
}

void blk_request_fetch(struct blk_request *r, void *to, size_t len)
{
	take(r, to, len);
}

void blk_request_fill(struct blk_request *r, const void *from, size_t len)
{
	const uint8_t *p = from;
	unsigned int i;
	size_t n;

	for (i = r->at; i < r->nr && len; i++, p += n, len -= n) {
		n = r->iov[i].iov_len < len ? r->iov[i].iov_len : len;
		memcpy(r->iov[i].iov_base, p, n);
		r->done += n;
	}
}

uint32_t blk_request_written(const struct blk_request *r)
{
	const uint64_t n = blk_type_brings(r->type) ? 0 : r->done;

	return (uint32_t)(n + 1 == r->writable_bytes ? n + 1 : n);
}
