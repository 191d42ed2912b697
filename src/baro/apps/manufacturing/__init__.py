"""Manufacturing: the lots and what ran them."""
