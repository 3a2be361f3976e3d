"""The local job runner: a durable store, a supervisor, and the ``pitchey-run`` command."""
