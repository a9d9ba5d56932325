"""The web page: its files under ``static``, and how they are held ready to be sent.

Nothing of it knows more of the service than any other HTTP client does.
"""
