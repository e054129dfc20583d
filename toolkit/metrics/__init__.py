"""Scores, intervals and calibration."""
