"""Jobs: long lists of architectures, predicted in the background.

A job is divided into parts. Each server claims a few parts at a time from the database, under a
lease that it renews while it runs. It writes the results and the end of a part in one transaction.
Therefore all servers on the database share a job, a job continues after a server is killed or
restarted, and each architecture gets exactly one result.
"""
