"""Coverage-guided fuzzing of what strangers can send: each parser, and the whole receiver behind them."""
