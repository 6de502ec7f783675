"""Running the lessons, and the record of their results."""
