"""One file for each verb: parse, one call of the library, render."""
