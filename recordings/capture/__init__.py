"""The passive recorder: calls cut from a capture of the trunk's RTP, beside Asterisk's own MixMonitor."""
