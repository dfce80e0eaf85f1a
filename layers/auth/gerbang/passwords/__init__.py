"""Passwords: hashing, the policy for new ones, hashes of other systems."""
