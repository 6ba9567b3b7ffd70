"""What a run learned: kept on disk, asked for any output of any cells and genes."""
