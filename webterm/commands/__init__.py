"""Commands of `webterm` besides serving: each module holds one group."""
