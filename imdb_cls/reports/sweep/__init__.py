"""What a sweep came to: the leaderboard on the screen, sweep.csv and sweep.html."""
