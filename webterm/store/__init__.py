"""The database: one module per aggregate, a frozen row type and its queries."""
