/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A red-black tree by base, with a node for each range, as kernels have.
 *
 * How: the nodes come from a pool, the leaf that all leaves are is in the tree
 * itself, black, and its parent is what a removal needs for a moment.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>

struct node {
	struct bus_item item;
	struct node *child[2], *parent;
	bool red;
};

struct rbtree {
	struct node *root;
	struct node leaf;
	struct bus_pool pool;
};

static void *create(const struct bus_set *set)
{
	struct rbtree *t = calloc(1, sizeof(*t));

	(void)set;
	if (!t)
		return NULL;
	t->root = &t->leaf;
	bus_pool_init(&t->pool, sizeof(struct node));
	return t;
}

static void destroy(void *s)
{
	struct rbtree *t = s;

	bus_pool_fini(&t->pool);
	free(t);
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	const struct rbtree *t = s;
	const struct node *n = t->root;

	while (n != &t->leaf) {
		if (addr < n->item.base)
			n = n->child[0];
		else if (addr - n->item.base >= n->item.size)
			n = n->child[1];
		else
			return bus_item_answer(&n->item, addr, size, a);
	}
	*a = (struct bus_answer){ NULL };
	return false;
}

BUS_LOOPS(lookup)

static void replace(struct rbtree *t, struct node *old, struct node *new)
{
	struct node *p = old->parent;

	if (p == &t->leaf)
		t->root = new;
	else
		p->child[p->child[1] == old] = new;
	new->parent = p;
}

/* @n goes down to its side @d, its child on the other side up. */
static void rotate(struct rbtree *t, struct node *n, int d)
{
	struct node *up = n->child[!d];

	n->child[!d] = up->child[d];
	if (up->child[d] != &t->leaf)
		up->child[d]->parent = n;
	replace(t, n, up);
	up->child[d] = n;
	n->parent = up;
}

static void settle_red(struct rbtree *t, struct node *n)
{
	while (n->parent->red) {
		struct node *p = n->parent, *g = p->parent;
		int d = g->child[1] == p;
		struct node *uncle = g->child[!d];

		if (uncle->red) {
			p->red = uncle->red = false;
			g->red = true;
			n = g;
			continue;
		}
		if (p->child[!d] == n) {
			rotate(t, p, d);
			n = p;
			p = n->parent;
		}
		p->red = false;
		g->red = true;
		rotate(t, g, !d);
	}
	t->root->red = false;
}

static int insert(void *s, struct bus_range *r)
{
	struct rbtree *t = s;
	struct node **at = &t->root, *parent = &t->leaf, *n;

	while (*at != &t->leaf) {
		parent = *at;
		if (bus_item_overlaps(&parent->item, r))
			return -EEXIST;
		at = &parent->child[r->base > parent->item.base];
	}
	n = bus_pool_get(&t->pool);
	if (!n)
		return -ENOMEM;
	*n = (struct node){
		.item = bus_item_of(r),
		.child = { &t->leaf, &t->leaf },
		.parent = parent,
		.red = true,
	};
	*at = n;
	settle_red(t, n);
	return 0;
}

/* Below @n, which took a black node's place, is one black too few. */
static void settle_black(struct rbtree *t, struct node *n)
{
	while (n != t->root && !n->red) {
		struct node *p = n->parent;
		int d = p->child[1] == n;
		struct node *w = p->child[!d];

		if (w->red) {
			w->red = false;
			p->red = true;
			rotate(t, p, d);
			w = p->child[!d];
		}
		if (!w->child[0]->red && !w->child[1]->red) {
			w->red = true;
			n = p;
			continue;
		}
		if (!w->child[!d]->red) {
			w->child[d]->red = false;
			w->red = true;
			rotate(t, w, !d);
			w = p->child[!d];
		}
		w->red = p->red;
		p->red = false;
		w->child[!d]->red = false;
		rotate(t, p, d);
		n = t->root;
	}
	n->red = false;
}

static void unlink_node(struct rbtree *t, struct node *n)
{
	struct node *next = n, *fill;
	bool black;

	if (n->child[0] != &t->leaf && n->child[1] != &t->leaf)
		for (next = n->child[1]; next->child[0] != &t->leaf;)
			next = next->child[0];
	black = !next->red;
	fill = next->child[next->child[0] == &t->leaf];
	/* Also of the leaf: settle_black() climbs from there. */
	replace(t, next, fill);
	if (next != n) {
		next->red = n->red;
		next->child[0] = n->child[0];
		next->child[1] = n->child[1];
		replace(t, n, next);
		next->child[0]->parent = next;
		next->child[1]->parent = next;
		if (fill->parent == n)
			fill->parent = next;
	}
	if (black)
		settle_black(t, fill);
	t->leaf.red = false;
}

static void remove_range(void *s, struct bus_range *r)
{
	struct rbtree *t = s;
	struct node *n = t->root;

	while (n->item.range != r)
		n = n->child[r->base > n->item.base];
	unlink_node(t, n);
	bus_pool_put(&t->pool, n);
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++)
		err = insert(s, r[i]);
	return err;
}

static size_t memory(const void *s)
{
	const struct rbtree *t = s;

	return t->pool.used * sizeof(struct node);
}

const struct bus_structure bus_rbtree = {
	.name = "rbtree",
	.max = UINT32_MAX,
	.max_changed = UINT32_MAX,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
