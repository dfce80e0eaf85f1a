"""Accounts: registering, signing in, guests, codes, password change and reset, organizations."""
