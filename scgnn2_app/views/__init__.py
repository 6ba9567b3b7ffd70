"""The tabs of the page, one file each: thin over the session and the engine's figures."""
