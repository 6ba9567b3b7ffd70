"""Runs as processes with a folder each: queued, started, watched, stopped, and found again after a restart."""
