"""The daemon: one aiohttp process that holds the hub."""
