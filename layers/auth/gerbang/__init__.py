"""Gerbang: accounts, passwords, tokens and sessions on DynamoDB, for Lambda functions.

Imports run one way: functions -> apis -> domain -> storage. See docs/decisions/0020-wings.md.
"""

from typing import Final

__version__: Final = "0.1.0"
"""As in pyproject.toml; a test compares them."""
