"""What a run learned and gives back."""
