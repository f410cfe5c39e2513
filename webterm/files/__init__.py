"""Files of a workspace, reached through descriptors of directories and in threads."""
