"""The ``inference`` processor: ONNX models, offline from the first run."""
