"""Imports users from an old system, with the password hashes it stored: `make import-legacy FILE=… TABLE=…`.

The file is CSV with a header (comma, semicolon or tab) or JSON Lines, in UTF-8. Its columns, or members:

| column | |
|---|---|
| `email` | required; one account for each address, whatever its spelling |
| `password_hash` | required; in a format of `gerbang.passwords.legacy` |
| `name` | 1 to 200 characters; without it, the part of the address before the `@` |
| `username` | 3 to 30 letters, digits, `_`, `.`, `-` |
| `id` | a UUID, which becomes the account's id; without it, a new one |
| `created_at` | ISO 8601, in UTC if it names no zone, or seconds since 1970; without it, now |
| `email_verified` | `true` if the old system verified the address; without it, `false` |
| `locale` | the language for mails, such as `id` or `en-GB` |

Other columns are ignored. Rows are written in transactions that make accounts and never change one: an account that
exists already, imported or registered, stays as it is, so an import that was stopped is simply run again (F39). Hashes
that are fast to compute are wrapped in today's hash first, so that none is in the table.
"""
