"""Rate limits. Attempts are counted before their outcome is known."""
