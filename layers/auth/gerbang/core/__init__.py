"""What every wing may use: time, errors, ids, addresses, the log, Lambda's init."""
