"""The demo: a plant of one press and one analyser, with everything that runs it, on one machine."""
