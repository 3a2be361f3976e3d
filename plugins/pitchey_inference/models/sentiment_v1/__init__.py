"""The built-in ``sentiment-v1``; the folder is a bundle."""
