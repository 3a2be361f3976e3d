"""What ``pitch-analyzer-v2`` computes: pure functions of a text, an encoder and a judge of sentiment."""
