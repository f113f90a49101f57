"""One file that anyone opens: a page that rates and answers by itself, with the model inside."""
