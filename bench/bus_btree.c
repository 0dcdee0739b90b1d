/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: what is full on the way down is split before, and what has the fewest
 * keys is filled before, so that neither goes up again.
 */
#include "bench/bus_btree.h"

#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAF_BYTES offsetof(struct btree_node, child)

static struct btree_node *node_get(struct btree *t, bool leaf)
{
	struct btree_node *n = bus_pool_get(leaf ? &t->leaves : &t->inner);

	if (n)
		n->nr = 0;
	return n;
}

static void node_put(struct btree *t, struct btree_node *n, bool leaf)
{
	bus_pool_put(leaf ? &t->leaves : &t->inner, n);
}

int btree_init(struct btree *t)
{
	*t = (struct btree){ .height = 0 };
	bus_pool_init(&t->leaves, LEAF_BYTES);
	bus_pool_init(&t->inner, sizeof(struct btree_node));
	t->root = node_get(t, true);
	return t->root ? 0 : -ENOMEM;
}

void btree_fini(struct btree *t)
{
	bus_pool_fini(&t->leaves);
	bus_pool_fini(&t->inner);
}

static void copy(struct btree_node *to, uint32_t i,
		 const struct btree_node *from, uint32_t j, uint32_t n)
{
	memmove(&to->key[i], &from->key[j], n * sizeof(to->key[0]));
	memmove(&to->value[i], &from->value[j], n * sizeof(to->value[0]));
}

static void copy_children(struct btree_node *to, uint32_t i,
			  const struct btree_node *from, uint32_t j, uint32_t n)
{
	memmove(&to->child[i], &from->child[j],
		n * sizeof(struct btree_node *));
}

static uint32_t slot_of(const struct btree_node *n, uint64_t key)
{
	uint32_t i = 0;

	while (i < n->nr && n->key[i] < key)
		i++;
	return i;
}

/* Child @i of @p is full: its middle key goes up.  @h: the height of @p. */
static int split(struct btree *t, struct btree_node *p, uint32_t i, uint32_t h)
{
	struct btree_node *left = p->child[i], *right = node_get(t, h == 1);

	if (!right)
		return -ENOMEM;
	right->nr = BTREE_KEYS - BTREE_MIN - 1;
	copy(right, 0, left, BTREE_MIN + 1, right->nr);
	if (h > 1)
		copy_children(right, 0, left, BTREE_MIN + 1, right->nr + 1);
	left->nr = BTREE_MIN;
	copy(p, i + 1, p, i, p->nr - i);
	copy_children(p, i + 2, p, i + 1, p->nr - i);
	copy(p, i, left, BTREE_MIN, 1);
	p->child[i + 1] = right;
	p->nr++;
	return 0;
}

static bool overlaps(const struct btree_node *n, uint32_t h,
		     const struct bus_range *r)
{
	for (uint32_t i = 0; i <= n->nr; i++) {
		if (h && overlaps(n->child[i], h - 1, r))
			return true;
		if (i < n->nr && n->key[i] <= r->base + (r->size - 1) &&
		    r->base <= n->key[i] + (n->value[i].size - 1))
			return true;
	}
	return false;
}

static int add(struct btree *t, struct bus_range *r)
{
	struct btree_node *n = t->root;
	int err;

	if (n->nr == BTREE_KEYS) {
		n = node_get(t, false);
		if (!n)
			return -ENOMEM;
		n->child[0] = t->root;
		t->root = n;
		t->height++;
		err = split(t, n, 0, t->height);
		if (err)
			return err;
	}
	for (uint32_t h = t->height;; h--) {
		uint32_t i = slot_of(n, r->base);

		if (!h) {
			copy(n, i + 1, n, i, n->nr - i);
			n->key[i] = r->base;
			n->value[i] =
				(struct btree_value){ r->size, r, r->ops };
			n->nr++;
			return 0;
		}
		if (n->child[i]->nr == BTREE_KEYS) {
			err = split(t, n, i, h);
			if (err)
				return err;
			i += r->base > n->key[i];
		}
		n = n->child[i];
	}
}

int btree_insert(struct btree *t, struct bus_range *r)
{
	return overlaps(t->root, t->height, r) ? -EEXIST : add(t, r);
}

/* A map is built from what was sorted. */
int btree_build(struct btree *t, struct bus_range *const *r, uint32_t n)
{
	struct bus_item *item = malloc(n * sizeof(*item));
	int err = item ? 0 : -ENOMEM;

	if (!err)
		bus_items_sorted(item, r, n);
	for (uint32_t i = 0; i < n && !err; i++)
		err = add(t, item[i].range);
	free(item);
	return err;
}

static void merge(struct btree *t, struct btree_node *p, uint32_t i, uint32_t h)
{
	struct btree_node *left = p->child[i], *right = p->child[i + 1];

	copy(left, left->nr, p, i, 1);
	copy(left, left->nr + 1, right, 0, right->nr);
	if (h > 1)
		copy_children(left, left->nr + 1, right, 0, right->nr + 1);
	left->nr += right->nr + 1;
	copy(p, i, p, i + 1, p->nr - i - 1);
	copy_children(p, i + 1, p, i + 2, p->nr - i - 1);
	p->nr--;
	node_put(t, right, h == 1);
}

static void take_left(struct btree_node *p, uint32_t i, uint32_t h)
{
	struct btree_node *n = p->child[i], *from = p->child[i - 1];

	copy(n, 1, n, 0, n->nr);
	copy(n, 0, p, i - 1, 1);
	copy(p, i - 1, from, from->nr - 1, 1);
	if (h > 1) {
		copy_children(n, 1, n, 0, n->nr + 1);
		n->child[0] = from->child[from->nr];
	}
	n->nr++;
	from->nr--;
}

static void take_right(struct btree_node *p, uint32_t i, uint32_t h)
{
	struct btree_node *n = p->child[i], *from = p->child[i + 1];

	copy(n, n->nr, p, i, 1);
	copy(p, i, from, 0, 1);
	copy(from, 0, from, 1, from->nr - 1);
	if (h > 1) {
		n->child[n->nr + 1] = from->child[0];
		copy_children(from, 0, from, 1, from->nr);
	}
	n->nr++;
	from->nr--;
}

/* So that child @i can lose a key.  Which child it is then. */
static uint32_t fill(struct btree *t, struct btree_node *p, uint32_t i,
		     uint32_t h)
{
	if (p->child[i]->nr > BTREE_MIN)
		return i;
	if (i && p->child[i - 1]->nr > BTREE_MIN) {
		take_left(p, i, h);
		return i;
	}
	if (i < p->nr && p->child[i + 1]->nr > BTREE_MIN) {
		take_right(p, i, h);
		return i;
	}
	if (i == p->nr)
		i--;
	merge(t, p, i, h);
	return i;
}

/* The key itself if it is in a leaf, else the one before takes its place. */
static void take_out(struct btree *t, struct btree_node *n, uint32_t h,
		     uint64_t key)
{
	while (h) {
		uint32_t i = fill(t, n, slot_of(n, key), h), s;

		s = slot_of(n, key);
		if (s < n->nr && n->key[s] == key &&
		    n->child[s]->nr > BTREE_MIN) {
			struct btree_node *last = n->child[s];

			for (uint32_t down = h - 1; down; down--)
				last = last->child[last->nr];
			copy(n, s, last, last->nr - 1, 1);
			key = n->key[s];
			i = s;
		}
		n = n->child[i];
		h--;
	}
	h = slot_of(n, key);
	copy(n, h, n, h + 1, n->nr - h - 1);
	n->nr--;
}

void btree_remove(struct btree *t, struct bus_range *r)
{
	struct btree_node *old = t->root;

	take_out(t, old, t->height, r->base);
	if (!t->root->nr && t->height) {
		t->root = old->child[0];
		t->height--;
		node_put(t, old, false);
	}
}

size_t btree_memory(const struct btree *t)
{
	return t->leaves.used * LEAF_BYTES +
	       t->inner.used * sizeof(struct btree_node);
}

static void *create(const struct bus_set *set)
{
	struct btree *t = calloc(1, sizeof(*t));

	(void)set;
	if (t && btree_init(t)) {
		free(t);
		return NULL;
	}
	return t;
}

static void destroy(void *s)
{
	btree_fini(s);
	free(s);
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	return btree_lookup(s, addr, size, a);
}

BUS_LOOPS(lookup)

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	return btree_build(s, r, n);
}

static int insert(void *s, struct bus_range *r)
{
	return btree_insert(s, r);
}

static void remove_range(void *s, struct bus_range *r)
{
	btree_remove(s, r);
}

static size_t memory(const void *s)
{
	return btree_memory(s);
}

const struct bus_structure bus_btree = {
	.name = "btree",
	.max = UINT32_MAX,
	.max_changed = 65536,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
