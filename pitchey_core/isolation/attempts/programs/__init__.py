"""The untrusted programs, by what they are after."""
