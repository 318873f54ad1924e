"""What is known: every study the field rests on, with its conflicts, and honest synthesis."""
