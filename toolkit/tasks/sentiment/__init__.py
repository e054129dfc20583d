"""Text classification: one label of two or many, or several labels at once."""
