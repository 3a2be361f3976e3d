"""The ``document`` processor: text, OCR, previews and conversion for PDF, Office files, images and plain text."""
