"""Generated data sets that come with the toolkit: each module's ``generate()`` makes the splits."""
