/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cascade.h - irq.graph's answer as text for people, or for Graphviz
 *
 * The text has one line a stage, indented by how far it is from the device; a
 * stage that several lead to has a number and is shown where the first of them
 * leads, so the eye can follow an interrupt down to where it stays.
 *
 * Trust     an answer that makes no sense is shown as far as it does
 */
#ifndef APPS_CTL_CASCADE_H
#define APPS_CTL_CASCADE_H

#include <stdio.h>

#include <jansson.h>

void ctl_cascade_text(const json_t *graph, FILE *out);
/* Stages that keep something, or whose level is high, are coloured. */
void ctl_cascade_dot(const json_t *graph, FILE *out);

#endif
