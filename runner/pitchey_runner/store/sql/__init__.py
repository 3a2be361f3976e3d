"""What the drivers share: the statements, the transactions made of them, and the way between rows and records.

Statements are SQLite's SQL with named values (``:name``). A driver's connection translates what its database spells
otherwise, and does what :class:`~.connection.SqlConnection` says.
"""
