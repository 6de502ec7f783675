"""Where a learner's code runs: a kernel that sees nothing of the computer, and its guard."""
