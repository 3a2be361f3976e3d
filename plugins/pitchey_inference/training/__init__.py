"""How the built-in models were made. Nothing here is imported when a model is used."""
