#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What `make install' leaves is enough to build a program with, and to read.
set -u
# shellcheck source=tests/library/lib.sh
. "$(dirname "$0")/lib.sh"
root=$tmp/root
pc() {
	PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root/opt/lib/pkgconfig \
		PKG_CONFIG_PATH='' pkg-config "$@" pciring
}

it_installs() {
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$top" install \
		DESTDIR="$root" PREFIX=/opt >"$tmp/log" 2>&1 || cat "$tmp/log"
	[ "$(readlink "$root/opt/lib/libpciring.so")" = libpciring.so.0 ] ||
		echo "no libpciring.so"
}

pkg_config_knows_version_and_flags() {
	[ "$(pc --modversion)" = "$(sed -n 's/^VERSION := //p' \
		"$top/Makefile")" ] || pc --modversion
	[ "$(pc --cflags --libs | xargs)" = \
		"-I$root/opt/include -L$root/opt/lib -lpciring" ] ||
		pc --cflags --libs
	[ "$(pc --libs --static | xargs)" = \
		"-L$root/opt/lib -lpciring -lpthread" ] || pc --libs --static
}

# The example complains of a socket that is not there: it has run.
expect_run() {
	local out
	out=$(LD_LIBRARY_PATH=$root/opt/lib "$1" "$tmp/none" vm0 2>&1)
	[ $? = 1 ] && grep -q 'No such file' <<<"$out" || echo "$1: $out"
}

# shellcheck disable=SC2046 # words, as pkg-config means them
the_example_builds_against_it() {
	local strict=(-Wall -Wextra -pedantic -Werror)
	gcc -std=c99 "${strict[@]}" -o "$tmp/shared" \
		"$top/docs/example-client.c" $(pc --cflags --libs)
	readelf -d "$tmp/shared" | grep -q 'NEEDED.*libpciring\.so\.0' ||
		echo "it does not load the library"
	expect_run "$tmp/shared"
	gcc -std=c99 "${strict[@]}" -static -o "$tmp/static" \
		"$top/docs/example-client.c" $(pc --cflags --libs --static)
	expect_run "$tmp/static"
	echo '#include <pciring.h>
int main() { return pciring_attach(0, 0, 0) == 0; }' >"$tmp/a.cc"
	g++ -std=c++11 "${strict[@]}" -o "$tmp/cxx" "$tmp/a.cc" \
		$(pc --cflags --libs)
	LD_LIBRARY_PATH=$root/opt/lib "$tmp/cxx" || echo "C++: status $?"
}

every_call_has_a_page() {
	local man=$root/opt/share/man/man3 name page
	for name in $(declared); do
		page=$man/$name.3
		[ -f "$page" ] || { echo "$name: no page" && continue; }
		if read -r so page <"$page" && [ "$so" = .so ]; then
			page=$root/opt/share/man/$page
		else
			page=$man/$name.3
		fi
		# In its name, in its synopsis, and with what it returns.
		sed -n '/^\.SH NAME/{n;p;}' "$page" | grep -qw "$name" ||
			echo "$name: not in the name line of $page"
		sed -n '/^\.SH SYNOPSIS/,/^\.SH DESC/p' "$page" |
			grep -qw "$name" || echo "$name: not in a synopsis"
	done
	for page in "$man"/*.3; do
		page=${page##*/}
		declared | grep -qxF "${page%.3}" ||
			[ "$page" = libpciring.3 ] ||
			echo "$page: of no call"
	done
}

every_page_says_what_a_caller_asks() {
	local page section
	for page in "$top"/docs/man/pciring_*.3; do
		for section in NAME SYNOPSIS DESCRIPTION 'RETURN VALUE' ERRORS \
			THREADS 'SEE ALSO'; do
			grep -qxE "\.SH \"?$section\"?" "$page" ||
				echo "$page: no $section"
		done
	done
}

# A synopsis is the header's declaration, word for word.
synopses_are_the_headers() {
	local proto page
	plain() { tr -s ' \t\n' ' ' | sed 's/ \?\([(),;*]\) \?/\1/g'; }
	gcc -E -P "$top/ring/pciring.h" | plain >"$tmp/header"
	for page in "$top"/docs/man/pciring_*.3; do
		sed -n '/^\.SH SYNOPSIS/,/^\.SH DESC/p' "$page" |
			sed -n '/^\.nf/,/^\.fi/p' | grep -v '^\.' |
			grep -v '^#include' | tr '\n' ' ' | tr ';' '\n' |
			while read -r proto; do
				proto=$(plain <<<"$proto;")
				proto=${proto# }
				grep -qF -- "${proto% }" "$tmp/header" ||
					echo "${page##*/}: $proto"
			done
	done
}

groff_has_nothing_to_say() {
	local page
	for page in "$root"/opt/share/man/man3/*.3; do
		(cd "$root/opt/share/man" &&
			groff -ww -b -z -man -Tutf8 -rLL=78n "$page")
	done
}

claim it_installs
claim pkg_config_knows_version_and_flags
claim the_example_builds_against_it
claim every_call_has_a_page
claim every_page_says_what_a_caller_asks
claim synopses_are_the_headers
claim groff_has_nothing_to_say
summary
