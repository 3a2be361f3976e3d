"""The ``code`` processor: untrusted programs in a sandbox."""
