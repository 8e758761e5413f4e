"""Alert to restriction to manifest. Pure: plans, guards and renders; nothing here talks to a cluster."""
