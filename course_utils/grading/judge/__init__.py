"""The judge: runs notebooks with nbval, and compares what they publish with what is expected."""
