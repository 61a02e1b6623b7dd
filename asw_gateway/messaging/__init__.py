"""What a message is: parties, agreements, the AS4 envelope, its packaging, signatures and signals. Pure."""
