"""The JSON routes over HTTP, and the document that describes them."""
