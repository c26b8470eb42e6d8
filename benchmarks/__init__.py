"""What training, labelling and starting cost: one command each, all of a table in one run."""
