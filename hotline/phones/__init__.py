"""Telephones played by SIPp: citizens on the trunk and desk phones at the seats."""
