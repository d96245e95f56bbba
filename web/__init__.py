"""FastAPI: pages for engineers, REST API, exports, SMS webhooks."""
