"""Text recognition: Tesseract, what pages need before it, and what is made of its reading."""
