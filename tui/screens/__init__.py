"""What fills the terminal: three modes, the detail, dialogs, help."""
