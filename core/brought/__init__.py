"""Models that people bring: what their files say of themselves, read without running them. No torch."""
