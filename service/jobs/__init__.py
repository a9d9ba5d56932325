"""Long lists of architectures: taken at once, worked on behind the requests, read when there.

A job is cut into parts. Each server takes a part at a time from the database, under a lease that it
renews while it lives, and writes the part's results and its end in one transaction. So a job is
shared by all servers on the database, goes on where it was when one of them is killed or restarted,
and has one result an architecture whatever dies.
"""
