"""Passwords: hashing, the policy for new passwords, hashes of other systems."""
