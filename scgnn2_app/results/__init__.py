"""What a run left in its folder, read lazily, and what it means."""
