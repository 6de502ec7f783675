"""What the experiments draw: creatures, letters, and scenes in two palettes."""
