"""Text to text: translation, summarisation and any other rewriting."""
