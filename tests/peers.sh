#!/bin/sh
# Programs of other makers for the tests: chromium, which the browser tests use, and mosquitto, which no test
# uses yet: it is there for the coming tests of MQTT against a broker that is not ours; poppler, whose pdfsig checks
# the seal of printed records.
# Installed where that is possible without asking (root on a Debian system); elsewhere the browser tests
# are skipped and the summary of the test run says so.
set -u
missing=""
[ -x /usr/bin/chromium ] || missing="$missing chromium"
[ -x /usr/sbin/mosquitto ] || missing="$missing mosquitto"
[ -x /usr/bin/pdfsig ] || missing="$missing poppler-utils"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # one word a package
  apt-get update -qq >/dev/null 2>&1; apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 \
    || echo "could not install$missing: tests that need them are skipped"
else
  echo "not installed and not installable here:$missing; tests that need them are skipped"
fi
exit 0
