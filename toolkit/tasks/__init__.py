"""One folder a task: what can be learnt."""
