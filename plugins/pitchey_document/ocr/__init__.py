"""Reading pictures of pages: preparation, recognition, and what is written of it."""
