"""The methods: each a folder with its networks, losses and state."""
