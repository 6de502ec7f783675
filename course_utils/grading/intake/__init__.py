"""What comes in: archives and exports, and notebooks put right before they run."""
