"""Events for other services: what the tables' streams say of accounts, sessions and organizations."""
