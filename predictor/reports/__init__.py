"""What is said about a model or about data: plots and reports."""
