"""Forecasting: points and quantiles of one series or many, by windows over their rows."""
