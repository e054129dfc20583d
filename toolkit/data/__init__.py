"""Tables, splits, checks and the batch plan; nothing here knows a layer or a task."""
