"""What presets make: one module for each kind of output."""
