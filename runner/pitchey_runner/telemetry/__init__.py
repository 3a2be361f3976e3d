"""What operators' tools are told: metrics to scrape, and traces."""
