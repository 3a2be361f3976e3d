"""A Pitchey plugin that stamps a text or a picture onto a video."""
