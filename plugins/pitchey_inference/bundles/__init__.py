"""Model bundles: what a folder of a model says of itself, where bundles come from, and whether they are whole."""
