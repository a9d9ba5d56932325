"""Labels of one's own: networks trained from scratch, and attacked."""
