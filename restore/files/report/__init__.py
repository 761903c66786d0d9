"""The report of a restoration: report.json for machines, report.html for people."""
