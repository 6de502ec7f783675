"""What learning management systems read."""
