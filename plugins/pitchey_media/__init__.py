"""The ``media`` processor: any audio or video into what a platform publishes, by preset."""
