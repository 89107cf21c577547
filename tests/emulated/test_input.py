"""What Keel says when it is given the wrong machine, the wrong configuration or the wrong files."""
