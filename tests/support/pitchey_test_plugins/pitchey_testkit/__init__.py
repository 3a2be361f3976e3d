"""Processors for tests. Installed for real, because slots run ``python -I`` and see no ``PYTHONPATH``."""
