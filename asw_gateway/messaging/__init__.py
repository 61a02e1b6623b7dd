"""What a message is: parties and agreements, the AS4 envelope, its packaging, signatures and signals. Pure."""
