"""Settings: base, embedded (the default on a bare machine), production, test."""
