"""Runs models: sessions that are shared, tokens, and batches of similar lengths."""
