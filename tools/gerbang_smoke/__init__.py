"""A walk through a deployed stack, over HTTPS, as clients go it (`make smoke`).

walk     the steps, and what each must answer
http     requests and answers
__main__ against a stack by its name, or any URL; cleans up where it may
"""
