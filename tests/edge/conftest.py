"""The tests of the edge share the peers in ``edge_peers``."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parent / "drivers"))
