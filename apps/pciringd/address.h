/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * address.h - a function's address as people write it: 00:01.0
 *
 * Bus, device and function in hexadecimal, two digits, two and one; nothing
 * may follow.
 */
#ifndef APPS_PCIRINGD_ADDRESS_H
#define APPS_PCIRINGD_ADDRESS_H

#include "ring/base.h"

#define ADDRESS_TEXT 8

/* -EINVAL if @text is anything else than an address. */
int address_parse(const char *text, uint16_t *bdf);
const char *address_format(char text[ADDRESS_TEXT], uint16_t bdf);

#endif
