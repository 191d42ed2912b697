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
names = "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_PROXY_SSL_HEADER", "SECURE_HSTS_SECONDS"
names += "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"
print(json.dumps([getattr(s, name) for name in names]))
"""


@pytest.mark.clause("Part 11 11.30", "ASVS 3.3.1", "ASVS 3.3.3", "ASVS 3.4.1", "ASVS 4.1.3")
@pytest.mark.parametrize(
    ("https", "expected"),
    [
        ("false", [False, False, None, 0, False, "sessionid", "csrftoken"]),
        (
            "true",
            [
                True,
                True,
                ["HTTP_X_FORWARDED_PROTO", "https"],
                31_536_000,
                True,
                "__Host-sessionid",
                "__Host-csrftoken",
            ],
        ),
    ],
)
def test_https_guards_cookies_and_believes_the_proxy(https: str, expected: list[object]) -> None:
    env = {**os.environ, "BARO_HTTPS": https}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected
