"""One pure module per fault family: a window of readings in, findings out."""
