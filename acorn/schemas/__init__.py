"""Documents of the HTTP interface, as the server and the client exchange them."""
