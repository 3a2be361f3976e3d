"""The built-in models; each folder is a bundle."""
