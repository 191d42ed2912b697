"""Argon2 at its smallest, for the accounts of tests: the same algorithm and format, without its price.

A plant pays that price once a sign-in; the tests would pay it some thousand times.
"""

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    time_cost = 1
    memory_cost = 8
    parallelism = 1
