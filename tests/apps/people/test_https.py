"""What `BARO_HTTPS` switches, in a process of its own, since settings are read once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json
from baro import settings as s
print(json.dumps([s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_PROXY_SSL_HEADER, s.SECURE_HSTS_SECONDS]))
"""


@pytest.mark.clause("Part 11 11.30")
@pytest.mark.parametrize(
    ("https", "expected"),
    [
        ("false", [False, False, None, 0]),
        ("true", [True, True, ["HTTP_X_FORWARDED_PROTO", "https"], 31_536_000]),
    ],
)
def test_https_guards_cookies_and_believes_the_proxy(https: str, expected: list[object]) -> None:
    env = {**os.environ, "BARO_HTTPS": https}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected
