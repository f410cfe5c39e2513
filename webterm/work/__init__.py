"""Rules about workspaces: who may have them, what is in them, and what runs in them."""
