"""Exported models: written with all they need, and checked without the toolkit."""
