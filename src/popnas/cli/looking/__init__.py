"""Commands that are called for what they show: runs, cells, configurations, parts, this machine."""
