"""Slack as an integration of the Qwoty integrations host; what it does is in docs/slack.md."""
