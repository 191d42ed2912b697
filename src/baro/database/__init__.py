"""The database beneath every room: the embedded server, the roles, and what the tables guard by themselves."""
