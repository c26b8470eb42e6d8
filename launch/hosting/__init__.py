"""What an endpoint and a batch job have in common: knobs, place, image, model, waiting."""
