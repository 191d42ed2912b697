"""Files of stand-alone instruments as their agents delivered them: what was found at the source, and what is stored."""
