"""Video classification: a label for a video."""
