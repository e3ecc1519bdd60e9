"""Every statement that the engine prepares, a module for each table."""
