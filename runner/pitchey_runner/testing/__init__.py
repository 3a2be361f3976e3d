"""What proves a job store: a conformance suite and a reference model. Production code never imports it."""
