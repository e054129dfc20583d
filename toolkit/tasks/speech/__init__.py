"""Speech and other sounds: a label for a clip, or the text that is spoken in it."""
