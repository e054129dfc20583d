"""A task of another package, as small as one can be: words to one of a few labels."""
