"""Words, subwords and n-grams, in the graph."""
