"""How a database came to its present shape. A revision that has been released is never changed."""
