//! Frames between a terminal and a server.
