"""How to run a task: devices, steps, checkpoints, run directories."""
