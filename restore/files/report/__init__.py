"""What report.json says of a restoration, and what report.html shows of it."""
