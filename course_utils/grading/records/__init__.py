"""What is remembered: nbgrader's gradebook, and the judgements that it follows from."""
