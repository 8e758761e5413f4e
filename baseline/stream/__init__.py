"""The consumer process: records to windows to scores to alerts, with state and position in one checkpoint."""
