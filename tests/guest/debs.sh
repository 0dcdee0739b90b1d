# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# debs.sh - unmodified Debian packages of any release, unpacked in a folder
#
# apt runs with folders of its own: it neither reads nor changes what this
# host has installed or which releases it follows, and needs no root.  It
# checks every signature against Debian's keyring, as always.  Packages are
# only unpacked; none of their scripts is run.
#
# PCIRING_DEBIAN_MIRROR names another mirror; proxies set in /etc/apt/apt.conf.d
# or in http_proxy are used.

debs_log=/dev/stderr
mirror=${PCIRING_DEBIAN_MIRROR:-http://deb.debian.org}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# debs_apt PROGRAM ARGS...: apt-get or apt-cache in the folder $debs_dir.
debs_apt()
{
	local program=$1
	shift

	"$program" -q -o Dir::Etc::sourcelist="$debs_dir/sources.list" \
		-o Dir::Etc::sourceparts="$debs_dir/none" \
		-o Dir::Etc::preferences="$debs_dir/none" \
		-o Dir::Etc::preferencesparts="$debs_dir/none" \
		-o Dir::State="$debs_dir/state" \
		-o Dir::State::status="$debs_dir/status" \
		-o Dir::Cache="$debs_dir/cache" \
		-o APT::Architecture=amd64 -o APT::Architectures::=amd64 \
		-o APT::Sandbox::User=root -o APT::Install-Recommends=false \
		-o APT::Update::Error-Mode=any -o Acquire::Languages=none \
		-o Acquire::Retries=3 "$@"
}

# debs_open DIR SUITE...: fetch the package lists of these suites.
debs_open()
{
	local suite path

	debs_dir=$1
	shift
	need apt-get apt
	need dpkg-deb dpkg
	[ -r "$keyring" ] ||
		die "$keyring is missing; install it: apt-get install debian-archive-keyring"
	mkdir -p "$debs_dir"/{none,state/lists/partial,cache/archives/partial}
	: >"$debs_dir/status"
	for suite in "$@"; do
		case $suite in
		*-security) path=debian-security ;;
		*) path=debian ;;
		esac
		echo "deb [signed-by=$keyring] $mirror/$path $suite main"
	done >"$debs_dir/sources.list"
	debs_run apt-get update
}

# debs_fetch PACKAGE...: exactly these packages.
debs_fetch()
{
	(cd "$debs_dir/cache/archives" && debs_run apt-get download "$@")
}

# debs_fetch_all SUITE PACKAGE...: these, and all that they depend on.
debs_fetch_all()
{
	local suite=$1
	shift

	debs_run apt-get install -y --download-only -t "$suite" "$@"
}

debs_unpack()
{
	local root=$1 deb

	mkdir -p "$root"
	for deb in "$debs_dir"/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$root" >>"$debs_log" 2>&1 ||
			die "cannot unpack $deb (is the disk full?)"
	done
	# Nobody asked for a second set of these on this host.
	find "$root" -type f -perm /6000 -exec chmod ug-s {} +
}

debs_close()
{
	rm -rf "$debs_dir"
}

debs_run()
{
	echo "+ $*" >>"$debs_log"
	debs_apt "$@" >>"$debs_log" 2>&1 && return
	show_tail "$debs_log"
	die "'$*' failed: is $mirror reachable? (PCIRING_DEBIAN_MIRROR=URL" \
		"chooses another; NO_PUBKEY above: update debian-archive-keyring)." \
		"Then run this again."
}
