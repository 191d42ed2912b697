"""Trends: finding tags, their curves over any stretch of time, and what people say about them."""
