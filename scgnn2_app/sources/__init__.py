"""Where the data of a run comes from: the demo, a file of the server, an upload, an object in memory."""
