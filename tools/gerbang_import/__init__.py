"""Imports users from another system, with their password hashes: `make import-legacy FROM=… FILE=… STACK=…`.

docs/legacy-users.md is the guide: options, recipes for each system, columns and hash formats.

    arguments, hash_options        the command line
    text_files, csv_files,
    json_files, reading, records   the records of a file, one by one
    systems                        where each system keeps what, one module per system
    fields, values, columns        fields by name, and how their values are read
    drafting, belonging            an account for a record, or why there is none
    importing, writing, replacing  write the accounts in batches
    rejections, reports, progress  what the operator gets: files of rejected rows, a report, a progress line
    trying                         verify one password against the file

Accounts are written in transactions that make accounts and never change one. An account that exists already stays as it
is, so an import that was stopped can be run again (F39); with `--replace`, an account of an earlier import is replaced
if it has not been used since. Weak hashes are wrapped in bcrypt first, so that none is in the table.
"""
