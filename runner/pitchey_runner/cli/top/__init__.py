"""``pitchey-run top``: the screen, the keys, and what they do."""
