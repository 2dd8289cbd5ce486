//! Recomputes every counter from scratch and compares it with what is kept (I7). For tests.
