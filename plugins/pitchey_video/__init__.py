"""The ``video`` processor: transcode, convert, thumbnails, sprite sheets."""
