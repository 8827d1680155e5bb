"""Hostile replies as data, and a socket server and runs to send them through."""
