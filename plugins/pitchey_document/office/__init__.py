"""Office files: what may be opened, what stands in them, what to be wary of, and their conversion to PDF."""
