"""Slack as an integration of the Qwoty integrations host; described in docs/slack.md."""
