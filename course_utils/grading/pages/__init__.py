"""What is read in a browser: feedback for a learner, a report of the class."""
