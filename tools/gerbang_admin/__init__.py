"""The operator's tool: list, show and change the accounts of a deployed stack (`gerbang-admin`, `make admin`).

    stacks        a stack's tables, from its outputs
    all_sessions  end every session of every account
    showing       an account as an operator sees it: everything but secrets
    __main__      the commands

What each command does to an account is in `gerbang.accounts.administration`.
"""
