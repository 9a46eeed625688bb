"""What a network's answers on a split come to: counted (`tally`), and the worst masks of them as a page."""
