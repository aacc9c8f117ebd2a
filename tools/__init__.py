"""Scripts that make or measure something for the project; the app and `core` never import them."""
