"""How the outside is reached: vendors, store, processes, media programs. Knows no orchestrator."""
