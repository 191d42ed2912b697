"""``python -m baro`` is ``baro``."""

from baro.cli import main

main()
