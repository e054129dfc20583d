"""Layers for sequences: each one stands alone and fits into any Keras model."""

__all__: list[str] = []
