"""How many attempts are allowed, counted before they are worth anything."""
