#!/bin/sh
# Programs of other makers for the tests: chromium for the pages; mosquitto, the MQTT broker, with its clients; poppler, whose pdfsig
# checks the seal of printed records; node and npm for the peers of tests/peers/package.json, which speak OPC UA,
# Sparkplug, Modbus and BACnet without a line of ours.
# Installed where that is possible without asking (root on a Debian system); elsewhere the tests that need them
# are skipped and the summary of the test run says so.
set -u
missing=""
[ -x /usr/bin/chromium ] || missing="$missing chromium"
[ -x /usr/sbin/mosquitto ] || missing="$missing mosquitto"
[ -x /usr/bin/mosquitto_pub ] || missing="$missing mosquitto-clients"
[ -x /usr/bin/pdfsig ] || missing="$missing poppler-utils"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # one word a package
    apt-get update -qq >/dev/null 2>&1; apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 \
      || echo "could not install$missing: tests that need them are skipped"
  else
    echo "not installed and not installable here:$missing; tests that need them are skipped"
  fi
fi

# The peers of npm, by the lock file. `installed` is a copy of the lock file they were installed from; the tests
# compare it, and skip with the reason in `absent` where the peers are not there.
cd "$(dirname "$0")/peers" || exit 0
cmp -s package-lock.json node_modules/.installed && exit 0
rm -f node_modules/.installed .absent
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  reason="node or npm is not installed"
elif [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ]; then
  reason="node $(node --version) is older than 18"
elif npm ci --no-audit --no-fund --loglevel=error >.npm.log 2>&1; then
  cp package-lock.json node_modules/.installed
  rm -f .npm.log
  echo "installed the peers of npm"
  exit 0
else
  reason="npm ci failed: $(grep -m 1 -v '^$' .npm.log)"
fi
echo "$reason" >.absent
echo "no peers of npm: $reason; tests that need them are skipped"
exit 0
