"""Programs in containers of one engine."""
