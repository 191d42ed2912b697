"""The stand-alone verifier: one file that goes with every exported package and imports nothing of Baro."""
