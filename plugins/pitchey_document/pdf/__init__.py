"""PDF as a whole: what it is made of, and what to be wary of in it."""
