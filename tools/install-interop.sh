#!/usr/bin/env bash
# Installs the foreign programs of `npm run test:interop` and of the benches from Debian's packages: only those that are missing.
# Needs root or a password-less sudo, and only where something is missing.
set -euo pipefail

packages=(python3-libtorrent aria2 transmission-daemon transmission-cli mktorrent opentracker redis-server iproute2)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  if [ "$status" != installed ]; then missing+=("$package"); fi
done
if [ ${#missing[@]} -eq 0 ]; then
  echo 'interop programs: all installed'
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "interop programs: missing ${missing[*]}, and there is no apt-get here" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi

# The tests start their own daemons; those of the packages must not run beside them. A policy that says no (101) keeps
# the packages' scripts from starting services; it is taken away again at the end.
policy=/usr/sbin/policy-rc.d
made_policy=no
restore() { if [ "$made_policy" = yes ]; then "${as_root[@]}" rm -f "$policy"; fi; }
trap restore EXIT
if [ ! -e "$policy" ]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi

echo "interop programs: installing ${missing[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null

# Where systemd runs, the services would come up at the next boot: switch off what this script has installed.
if [ -d /run/systemd/system ]; then
  for service in transmission-daemon opentracker redis-server; do
    case " ${missing[*]} " in
      *" $service "*) "${as_root[@]}" systemctl disable --now --quiet "$service" 2>/dev/null || true ;;
    esac
  done
fi
echo 'interop programs: all installed'
