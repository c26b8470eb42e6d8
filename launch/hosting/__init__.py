"""What endpoints and batch jobs share: their options, names, account, model and answers."""
