"""The judge: whatever happens in between, what a hook wrote is what receivers have."""
