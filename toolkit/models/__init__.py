"""Builders of keras.Model out of the toolkit's layers."""
