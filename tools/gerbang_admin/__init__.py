"""The operator's tool: accounts of a deployed stack, found, shown and changed (`gerbang-admin`, `make admin`).

    stacks     a stack's tables, out of its outputs
    everybody  ending every session at once
    showing    an account as an operator sees it: everything but secrets
    __main__   the commands

What a change does to an account is `gerbang.accounts.administration`.
"""
