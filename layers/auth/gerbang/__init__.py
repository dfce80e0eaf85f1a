"""Gerbang: accounts, passwords, tokens and sessions on DynamoDB, for Lambda functions.

Imports run one way: functions -> contracts -> domain -> storage. See docs/decisions/0001-layers-and-arrows.md.
"""
