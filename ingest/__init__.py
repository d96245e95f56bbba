"""MQTT in, flagged readings stored; owns the database connection and the migrations."""
