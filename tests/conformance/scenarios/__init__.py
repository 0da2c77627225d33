"""One file for each noun; a scenario ends when it has seen enough, open runs are cleared away after it."""
