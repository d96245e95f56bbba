"""Decode profiles: how messages of devices that speak a dialect of their own become readings. Data, not code."""
