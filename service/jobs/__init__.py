"""Jobs: long lists of architectures, predicted behind the requests.

A job is cut into parts. Each server takes one part at a time from the database, under a lease that
it renews while it lives, and writes the results and the end of the part in one transaction. So all
servers on the database share a job, a job continues after a server is killed or restarted, and each
architecture gets exactly one result.
"""
