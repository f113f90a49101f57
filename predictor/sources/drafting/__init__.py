"""A catalogue drafted from somebody's own file."""
