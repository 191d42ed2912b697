"""Through a data diode: what a gateway collects goes out in signed, numbered frames, and nothing ever comes back."""
