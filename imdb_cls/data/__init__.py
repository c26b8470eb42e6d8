"""Reviews: where they come from, how they are split, cut into tokens and put into batches."""
