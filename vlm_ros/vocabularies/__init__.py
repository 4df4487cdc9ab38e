"""The names that driving datasets and simulators use, and which of them mean the same."""
