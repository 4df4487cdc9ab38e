"""One HTML file with the numbers, plots and pictures of an evaluation; nothing is fetched."""
