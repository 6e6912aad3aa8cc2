"""The parts of scripts/lab-oracle. No code is shared with starling."""
