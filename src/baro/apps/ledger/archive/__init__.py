"""Archive and continuity: records against their trail, exported packages, retention."""
