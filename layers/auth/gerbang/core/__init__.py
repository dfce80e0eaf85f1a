"""Shared by all packages: time, errors, ids, e-mail addresses, the log, Lambda's init."""
