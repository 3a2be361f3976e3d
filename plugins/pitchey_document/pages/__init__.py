"""Pages of a document: where they come from, what is read of each, and how one that kills its reader is got over."""
