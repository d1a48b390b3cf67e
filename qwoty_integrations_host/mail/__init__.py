"""Mail: building messages, transports (SMTP, files), and the record that sends each mail once."""
