"""The loop, checkpoints, schedules; sums what `system.losses` returns."""
