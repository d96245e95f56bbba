"""What is measured, and how: real servers, the real product as a process, and a clock outside of it."""
