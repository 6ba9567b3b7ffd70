"""What every training shares: the one loop, optimisers, devices, threads, held-out entries. No method by name."""
