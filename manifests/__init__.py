"""What should exist and what it will cost: pure values, no network, no clock, no orchestrator."""
