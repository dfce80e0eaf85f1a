"""Calls the endpoints of a deployed stack over HTTPS, as clients do, and checks the answers (`make smoke`).

walk      the steps, and the answer that each must get
http      requests and answers
__main__  the command: for a stack by its name, or for a URL; deletes the account afterwards if it can
"""
