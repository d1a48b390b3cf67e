"""Mail: building the message, the ways it leaves (SMTP, files), and the ledger that sends each once."""
