"""Sequence data to a trained, evaluated, served Keras model."""
