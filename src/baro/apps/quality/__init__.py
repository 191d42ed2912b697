"""Quality by design: products and their approved control strategies."""
