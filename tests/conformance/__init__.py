"""Scenarios that both the reference server and Tenure play, and the comparison of what they saw."""
