"""Intervals, paired tests, non-inferiority, power and trends: numbers in, numbers out."""
