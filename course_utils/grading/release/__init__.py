"""What is handed out: the student edition, the course's folder, an example class."""
