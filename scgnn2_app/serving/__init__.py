"""The dashboard as a server: who may reach it and under which names."""
