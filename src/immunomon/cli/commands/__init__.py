"""What every command is called and which options it takes; its work is imported when it is called."""
