"""Many runs as one: how trials are chosen and run, and what came of them."""
