"""The plant: equipment (ISA-95), instruments and their calibration status, tags."""
